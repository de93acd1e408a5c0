"""Which probes are attached, and by which ways: what they declare, and what the configuration says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import Final, Protocol, cast

import msgspec

from model.probe import Attachment, Feature, Probe, Receiver
from probes.conntrack.config import NatConfig
from probes.dns.config import QueriesConfig
from probes.drops.config import DropsConfig
from probes.envoy.config import EnvoyConfig
from probes.http.config import HttpConfig
from probes.kernel.bpf.maps import possible_cpus
from probes.kernel.event_types import EventTypes
from probes.kernel.layout import shared_record
from probes.listeners.config import ListenersConfig
from probes.tcp.config import TcpConfig
from probes.udp.config import UdpConfig

#: Words of a switch that choose no way.
_ALL_WAYS: Final = ("auto", "on")


class ProbeConfig(Protocol):
    """What the probes need of the configuration, beside the keys of their switches and sizes."""

    @property
    def node_name(self) -> str: ...

    @property
    def namespaces(self) -> Sequence[str]: ...

    @property
    def tcp(self) -> TcpConfig: ...

    @property
    def nat(self) -> NatConfig: ...

    @property
    def http(self) -> HttpConfig: ...

    @property
    def dns(self) -> QueriesConfig: ...

    @property
    def envoy(self) -> EnvoyConfig: ...

    @property
    def udp(self) -> UdpConfig: ...

    @property
    def listeners(self) -> ListenersConfig: ...

    @property
    def drops(self) -> DropsConfig: ...


class Selection:
    """The probes of this program, and what the configuration says of them.

    :param known: all of them, in the order in which they are compiled and attached.
    :param words: what is said of those whose switch has no key of its own, by their names.
    :raises UsageError: if their events do not go together.
    """

    def __init__(
        self, config: ProbeConfig, known: Sequence[Probe], words: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.config = config
        self.known = tuple(known)
        self._words = words
        #: Also of those that are off: a recording may have them.
        self.event_types = EventTypes(self.known)
        self.wanted = tuple(probe for probe in self.known if self._switch_off(probe) is None)

    def with_tables(self, slots: int, ring_bytes: int) -> "Selection":
        """The same with tables of other sizes."""
        tcp = msgspec.structs.replace(self.config.tcp, slots=slots, ring_bytes=ring_bytes)
        config = msgspec.structs.replace(cast(msgspec.Struct, self.config), tcp=tcp)
        return Selection(cast(ProbeConfig, config), self.known, self._words)

    def said_of(self, probe: Probe) -> str:
        """The key of its switch and what the configuration says there: ``udp.enabled: auto``."""
        key = self._key(probe)
        word = attrgetter(key)(self.config) if probe.switch and probe.switch.key else self._word(probe)
        return f"{key}: {word}"

    def _key(self, probe: Probe) -> str:
        return (probe.switch.key if probe.switch else "") or f"probes.{probe.name}"

    def _word(self, probe: Probe) -> str:
        """What the configuration says of a probe."""
        if probe.switch is None:
            return "on"
        if probe.switch.key:
            word: str = attrgetter(probe.switch.key)(self.config)
            return "auto" if word == "off" and self._is_needed(probe) else word
        return self._words.get(probe.name, probe.switch.default)

    def _is_needed(self, probe: Probe) -> bool:
        """Whether another that is wanted has parts in its programs."""
        others = (other for other in self.known if other.name == probe.needed_by)
        return any(self._switch_off(other) is None for other in others)

    def _switch_off(self, probe: Probe) -> str | None:
        """The key by which it is off; None if it is wanted."""
        if self._word(probe) == "off":
            return self._key(probe)
        outer = next((other for other in self.known if other.name == probe.within), None)
        return self._switch_off(outer) if outer else None

    def ways(self, probe: Probe, feature: Feature) -> Feature:
        """The feature with the alternatives that are wanted.

        One that was chosen by name is required, and so are all of a probe whose own key says ``on``; of a probe that
        is taken where it can be had (``auto``), nothing is.
        """
        way = attrgetter(feature.switch)(self.config) if feature.switch else self._word(probe)
        if way in _ALL_WAYS:
            word = self._word(probe)
            demanded = word == "on" and probe.switch is not None and bool(probe.switch.key)
            kept = feature.required and (probe.switch is None or word == "on")
            return replace(feature, required=demanded or kept)
        chosen = tuple(hook for hook in feature.alternatives if hook.way == way)
        return replace(feature, alternatives=chosen, required=True)

    def receivers(self) -> list[Receiver]:
        """New ones, of all probes that have their own."""
        return [receiver() for probe in self.known for receiver in probe.receivers]

    def off(self) -> list[Attachment]:
        """The features of probes that are switched off."""
        return [
            Attachment(
                feature,
                None,
                {hook.name: f"{self._switch_off(probe)} is off" for hook in feature.alternatives},
            )
            for probe in self.known
            if probe not in self.wanted
            for feature in probe.features
        ]

    @property
    def defines(self) -> dict[str, int]:
        """Macros of the sources: sizes, which probes there are (``WANTS_UDP``), and the rings with their numbers.

        That of the shared ring is 0.
        """
        sizes = {
            macro: int(attrgetter(key)(self.config)) for probe in self.wanted for macro, key in probe.sizes
        }
        rings = [ring for probe in self.wanted for ring in probe.rings]
        for number, ring in enumerate(rings, 1):
            sizes |= {f"{ring.name.upper()}_BYTES": ring.size, f"{ring.name.upper()}_RING": number}
        events = sizes["RING_BYTES"] // shared_record().itemsize
        wakeup = max(1, events // 8 // possible_cpus())
        sizes |= {f"WANTS_{probe.name.upper().replace('-', '_')}": 1 for probe in self.wanted}
        return {**sizes, "RINGS": 1 + len(rings), "WAKEUP_EVENTS": wakeup}
