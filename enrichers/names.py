"""Names that the configuration gives to networks and addresses."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import ClassVar, Final

import msgspec

from model.enricher import EnricherStatistics, Entity, KeyKind
from model.errors import UsageError
from model.intervals import IDENTITIES, Intervals
from model.settings import PluginConfig

#: The attribute that a configured name becomes.
ATTRIBUTE: Final = "service.name"

#: In front of an IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2).
MAPPED_BITS: Final = 96

_Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


class NamesConfig(PluginConfig, frozen=True):
    """Names that the configuration gives.

    :param names: of networks (``10.20.0.0/16``, ``fd00::/8``) and addresses; the longest prefix wins.
    """

    names: dict[str, str] = msgspec.field(default_factory=dict)


class ConfiguredNames:
    """Gives networks and addresses the names that the configuration has for them.

    The longest prefix wins; a name holds at all times.

    :raises UsageError: if a key is no network, or has bits beyond its prefix.
    """

    Config: ClassVar[type[PluginConfig]] = NamesConfig
    name = "names"
    kinds = frozenset({KeyKind.ADDRESS})
    version = 0
    live = False

    def __init__(self, config: NamesConfig, *, entries: int = IDENTITIES) -> None:
        self._named: dict[_Network, str] = {}
        for text, name in config.names.items():
            self._named[_network(text)] = name
        self._prefixes = {version: _lengths(self._named, version) for version in (4, 6)}
        self._answers = Intervals(entries)  # of addresses that were asked for

    async def start(self, node: str) -> None:
        """Nothing to watch."""

    async def close(self) -> None:
        """Nothing to end."""

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """The name of the smallest network that has the address, as ``service.name``."""
        if kind is KeyKind.ADDRESS and self._answers.find(kind, value, at_ns) is None:
            name = self._find(value)
            if name:
                self._answers.add(kind, value, {ATTRIBUTE: name}, 0)
        return self._answers.lookup(kind, value, at_ns)

    def _find(self, text: str) -> str:
        try:
            address = _plain(ip_address(text))
        except ValueError:
            return ""
        for length in self._prefixes[address.version]:
            network = ip_network((address, length), strict=False)
            if network in self._named:
                return self._named[network]
        return ""

    def statistics(self) -> EnricherStatistics:
        """The counts so far."""
        return self._answers.statistics(0.0)


def _network(text: str) -> _Network:
    """A network or an address; IPv4-mapped ones are IPv4.

    :raises UsageError: with the path of the key.
    """
    try:
        network = ip_network(text)
    except ValueError as error:
        raise UsageError(
            f"configuration: `names.{text}`: {error}", "write 10.20.0.0/16, or an address"
        ) from error
    mapped = network.network_address
    if isinstance(mapped, IPv6Address) and mapped.ipv4_mapped and network.prefixlen >= MAPPED_BITS:
        return IPv4Network((mapped.ipv4_mapped, network.prefixlen - MAPPED_BITS))
    return network


def _plain(address: _Address) -> _Address:
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _lengths(networks: Iterable[_Network], version: int) -> list[int]:
    """The lengths of prefixes that there are, the longest first."""
    return sorted({one.prefixlen for one in networks if one.version == version}, reverse=True)
