"""The kinds of NAT that a bed plays: for each, who calls what, who answers, and the rules between them."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.beds.network import FAMILIES, Bed, Family, Place, bed, inside
from tests.beds.processes import Client, Server
from tests.beds.rules import KINDS, Kind, Rules, rules_of
from tests.beds.truth import Exchange, gather

Role = Literal["client", "router", "server1", "server2"]
ROLES: Final[tuple[Role, ...]] = ("client", "router", "server1", "server2")
SERVICE_PORT: Final = 80


@dataclass(frozen=True)
class Scene:
    """One kind of NAT.

    :param caller: whose program calls.
    :param port: at which the servers answer; no other scene has it.
    :param service: number of the address that is called; 0: the first server's own.
    :param rewritings: conntrack entries that rewrite each connection.
    """

    name: str
    caller: Role
    port: int
    service: int
    rewritings: int

    def called(self, bed: Bed, family: Family) -> tuple[str, int]:
        """The address that is called."""
        if self.service:
            return bed.service(self.service, family), SERVICE_PORT
        return bed.server1.address(family), self.port


SCENES: Final = (
    Scene("direct", "client", 8000, 0, 0),
    Scene("dnat", "client", 8001, 1, 1),
    Scene("snat", "client", 8002, 0, 1),
    Scene("masquerade", "client", 8003, 0, 1),
    Scene("both", "client", 8004, 2, 1),
    Scene("hairpin", "server1", 8005, 3, 1),
    Scene("redirect", "client", 8006, 4, 1),
    Scene("own_redirect", "router", 8007, 5, 1),
    Scene("own_dnat", "client", 8008, 6, 1),
    Scene("two_hops", "client", 8009, 7, 2),
)
#: The second address of the scene "two_hops": what the client's own rules make of the first.
_HALFWAY: Final = 8
BY_NAME: Final[Mapping[str, Scene]] = {scene.name: scene for scene in SCENES}


def write_rules(bed: Bed, family: Family, router: Rules, client: Rules) -> None:
    """The rules of all scenes: the router's, and those on the client's own host."""
    backends = bed.backends(family)
    called = {scene.name: scene.called(bed, family) for scene in SCENES}
    for name in ("dnat", "both", "hairpin"):
        router.dnat("prerouting", family, called[name], backends, BY_NAME[name].port)
    for name in ("masquerade", "both", "hairpin", "two_hops"):
        router.masquerade(family, BY_NAME[name].port)
    router.snat(family, BY_NAME["snat"].port, bed.pool(family))
    router.redirect("prerouting", family, called["redirect"], BY_NAME["redirect"].port)
    router.redirect("output", family, called["own_redirect"], BY_NAME["own_redirect"].port)
    client.dnat("output", family, called["own_dnat"], backends, BY_NAME["own_dnat"].port)
    halfway = bed.service(_HALFWAY, family)
    client.dnat("output", family, called["two_hops"], [halfway], SERVICE_PORT)
    router.dnat("prerouting", family, (halfway, SERVICE_PORT), backends, BY_NAME["two_hops"].port)


class Stage:
    """A bed with rules, servers and clients."""

    def __init__(self, bed: Bed, clients: Mapping[Role, Client], servers: list[Server]) -> None:
        self.bed = bed
        self._clients = clients
        self._servers = servers

    def play(self, name: str, family: Family, count: int, hold: bool = False) -> None:
        """Connections of one scene."""
        scene = BY_NAME[name]
        address, port = scene.called(self.bed, family)
        self._clients[scene.caller].call(f"{name}-{family}", address, port, count, hold)

    def play_all(self, count: int, *, hold: bool = False) -> None:
        """So many connections of every scene and family."""
        for scene in SCENES:
            for family in FAMILIES:
                self.play(scene.name, family, count, hold)

    def release(self) -> None:
        """Those that were held have a second round and end."""
        for client in self._clients.values():
            client.release()

    def truth(self) -> list[Exchange]:
        """All that was played and is over."""
        return gather(list(self._clients.values()), self._servers)


def place(bed: Bed, role: Role) -> Place:
    """The namespace of this role."""
    return dict(zip(ROLES, bed.places, strict=True))[role]


def _prefix(bed: Bed, role: Role) -> list[str]:
    return inside(place(bed, role).namespace)


@contextlib.contextmanager
def stage(bed: Bed, kind: Kind, folder: Path) -> Iterator[Stage]:
    """Everything ready to play; one of the servers takes IPv4 on sockets of IPv6."""
    router, client = (rules_of(kind, place(bed, role).namespace) for role in ("router", "client"))
    for family in FAMILIES:
        write_rules(bed, family, router, client)
    ports = [scene.port for scene in SCENES]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(
                Server.started(_prefix(bed, role), folder / f"{role}.log", ports, dual=role == "server2")
            )
            for role in ("router", "server1", "server2")
        ]
        callers = sorted({scene.caller for scene in SCENES})
        clients = {
            role: stack.enter_context(Client.started(_prefix(bed, role), folder / f"calls-{role}.log"))
            for role in callers
        }
        yield Stage(bed, clients, servers)


@contextlib.contextmanager
def stages(folder: Path) -> Iterator[dict[Kind, Stage]]:
    """A bed with each kind of rules."""
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in KINDS:
            (folder / kind).mkdir()
            made[kind] = stack.enter_context(stage(stack.enter_context(bed()), kind, folder / kind))
        yield made
