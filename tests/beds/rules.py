"""The same NAT written in three ways: legacy iptables, iptables over nftables, and nftables itself.

Rules tell connections apart by what they call; where the source is rewritten, by the port of the server.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from tests.beds.network import Family, execute, inside

Kind = Literal["legacy", "nft", "nftables"]
KINDS: Final[tuple[Kind, ...]] = ("legacy", "nft", "nftables")
#: Where the destination is rewritten: for packets that come in, or for those of the host's own programs.
Where = Literal["prerouting", "output"]
Service = tuple[str, int]
#: Source ports that ``snat`` writes: never those that clients choose, so that each is rewritten.
POOL_PORTS: Final = (2000, 9999)


class Rules(Protocol):
    """Rules of one namespace."""

    def dnat(
        self, where: Where, family: Family, service: Service, backends: Sequence[str], port: int
    ) -> None:
        """Who calls the service gets one of the backends at random, at this port."""

    def redirect(self, where: Where, family: Family, service: Service, port: int) -> None:
        """Who calls the service gets this host, at this port."""

    def snat(self, family: Family, port: int, source: str) -> None:
        """To this port as if from the source, and from another port."""

    def masquerade(self, family: Family, port: int) -> None:
        """To this port as if from the router."""


class IpTables:
    """``iptables`` and ``ip6tables`` of either variant."""

    def __init__(self, namespace: str, variant: Literal["legacy", "nft"]) -> None:
        self._inside = inside(namespace)
        self._variant = variant

    def _add(self, chain: str, family: Family, *rule: str) -> None:
        program = f"{'iptables' if family == 'ipv4' else 'ip6tables'}-{self._variant}"
        execute(*self._inside, program, "-w", "-t", "nat", "-A", chain.upper(), "-p", "tcp", *rule)

    def dnat(
        self, where: Where, family: Family, service: Service, backends: Sequence[str], port: int
    ) -> None:
        """A rule for each backend but the last takes its share of what the rules before it left."""
        match = ["-d", service[0], "--dport", str(service[1])]
        for left, backend in zip(range(len(backends), 0, -1), backends, strict=True):
            share = (
                ["-m", "statistic", "--mode", "random", "--probability", f"{1 / left}"] if left > 1 else []
            )
            target = f"{_bracketed(backend)}:{port}"
            self._add(where, family, *match, *share, "-j", "DNAT", "--to-destination", target)

    def redirect(self, where: Where, family: Family, service: Service, port: int) -> None:
        """One rule."""
        match = ["-d", service[0], "--dport", str(service[1])]
        self._add(where, family, *match, "-j", "REDIRECT", "--to-ports", str(port))

    def snat(self, family: Family, port: int, source: str) -> None:
        """One rule."""
        target = f"{_bracketed(source)}:{POOL_PORTS[0]}-{POOL_PORTS[1]}"
        self._add("postrouting", family, "--dport", str(port), "-j", "SNAT", "--to-source", target)

    def masquerade(self, family: Family, port: int) -> None:
        """One rule."""
        self._add("postrouting", family, "--dport", str(port), "-j", "MASQUERADE")


_TABLE: Final = """
table inet beds {
    chain prerouting { type nat hook prerouting priority dstnat; }
    chain output { type nat hook output priority -100; }
    chain postrouting { type nat hook postrouting priority srcnat; }
}
"""


class NfTables:
    """A table of nftables for both families."""

    def __init__(self, namespace: str) -> None:
        self._inside = inside(namespace)
        self._run(_TABLE)

    def _run(self, script: str) -> None:
        execute(*self._inside, "nft", "-f", "-", stdin=script)

    def _add(self, chain: str, rule: str) -> None:
        self._run(f"add rule inet beds {chain} {rule}\n")

    def dnat(
        self, where: Where, family: Family, service: Service, backends: Sequence[str], port: int
    ) -> None:
        """One rule; a random number chooses from a map."""
        choice = ", ".join(f"{number} : {backend}" for number, backend in enumerate(backends))
        target = f"numgen random mod {len(backends)} map {{ {choice} }} : {port}"
        self._add(where, f"{_called(family, service)} dnat {_ip(family)} to {target}")

    def redirect(self, where: Where, family: Family, service: Service, port: int) -> None:
        """One rule."""
        self._add(where, f"{_called(family, service)} redirect to :{port}")

    def snat(self, family: Family, port: int, source: str) -> None:
        """One rule."""
        target = f"{_bracketed(source)} : {POOL_PORTS[0]}-{POOL_PORTS[1]}"
        self._add("postrouting", f"meta nfproto {family} tcp dport {port} snat {_ip(family)} to {target}")

    def masquerade(self, family: Family, port: int) -> None:
        """One rule."""
        self._add("postrouting", f"meta nfproto {family} tcp dport {port} masquerade")


def _ip(family: Family) -> str:
    return "ip" if family == "ipv4" else "ip6"


def _called(family: Family, service: Service) -> str:
    return f"{_ip(family)} daddr {service[0]} tcp dport {service[1]}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def rules_of(kind: Kind, namespace: str) -> Rules:
    """Rules of this kind, none yet, for the namespace."""
    return NfTables(namespace) if kind == "nftables" else IpTables(namespace, kind)
