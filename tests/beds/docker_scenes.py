"""Who calls whom around a host with two containers, and what connections that makes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.beds.check import Case, whole
from tests.beds.docker import Container, Docker
from tests.beds.network import Ground, execute, inside, ip, sweep
from tests.beds.processes import Client, Server
from tests.beds.truth import Exchange, gather
from tests.beds.watch import Territory

PORT: Final = 8000
PUBLISHED: Final = {"web": 9001, "job": 9002}
_HOST, _OUTSIDE, _BRIDGE = 1, 2, 129
LOOPBACK: Final = "127.0.0.1"

#: Scenes in which the daemon's own proxy takes the connection and makes another one, if there is a proxy.
PROXIED: Final = ("loopback", "published_from_container", "published_from_itself")
#: Scenes without NAT, in any case.
UNTOUCHED: Final = ("container_to_container",)


def cases(exchanges: list[Exchange], userland_proxy: bool) -> Iterator[Case]:
    """The connections that there must have been."""
    for exchange in exchanges:
        if userland_proxy and exchange.scene in PROXIED:
            yield Case(exchange, (exchange.client,))
            yield Case(exchange, (exchange.server,))
        else:
            yield whole(exchange, rewritten=exchange.scene not in UNTOUCHED)


@dataclass(frozen=True)
class Harbour:
    """A host with two containers, and a machine outside."""

    ground: Ground
    territory: Territory
    clients: dict[str, Client]
    servers: list[Server]
    calls: dict[str, tuple[str, str, int]]

    def play(self, scene: str, count: int) -> None:
        """Connections of one scene."""
        caller, address, port = self.calls[scene]
        self.clients[caller].call(scene, address, port, count)

    def truth(self) -> list[Exchange]:
        """All that was played."""
        return gather(list(self.clients.values()), self.servers)


@contextlib.contextmanager
def harbour(userland_proxy: bool, logs: Path) -> Iterator[Harbour]:
    """Everything ready.

    :raises DockerMissing: if Docker cannot run here.
    """
    sweep()
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(contextlib.closing(Ground()))
        host, outside = _machines(ground)
        bridge = f"{ground.ipv4(_BRIDGE)}/25"
        docker = stack.enter_context(Docker.started(host, bridge, userland_proxy))
        web, job = (
            stack.enter_context(docker.server(name, logs, PORT, f"--publish={published}:{PORT}"))
            for name, published in PUBLISHED.items()
        )
        server = stack.enter_context(Server.started(inside(outside), logs / "outside.log", [PORT]))
        prefixes = {"host": inside(host), "outside": inside(outside), "web": web.prefix, "job": job.prefix}
        clients = {
            name: stack.enter_context(Client.started(prefix, logs / f"calls-{name}.log"))
            for name, prefix in prefixes.items()
        }
        servers = [web.server, job.server, server]
        yield Harbour(ground, _territory(ground, web, job), clients, servers, _calls(ground, web))


def _machines(ground: Ground) -> tuple[str, str]:
    host, outside = ground.namespace("host"), ground.namespace("outside")
    link = f"link add outside type veth peer name host netns {outside}\n"
    ip(host, f"{link}addr add {ground.ipv4(_HOST)}/28 dev outside\nlink set outside up\n")
    ip(outside, f"addr add {ground.ipv4(_OUTSIDE)}/28 dev host\nlink set host up\n")
    return host, outside


def _territory(ground: Ground, *containers: Container) -> Territory:
    made = [int(execute("stat", "--format=%i", f"/run/netns/{name}")) for name in ground.made]
    return Territory(ground.prefixes, [*made, *(container.inode for container in containers)])


def _calls(ground: Ground, web: Container) -> dict[str, tuple[str, str, int]]:
    host, published = ground.ipv4(_HOST), PUBLISHED["web"]
    return {
        "container_to_container": ("job", web.address, PORT),
        "container_to_outside": ("web", ground.ipv4(_OUTSIDE), PORT),
        "published_from_outside": ("outside", host, published),
        "published_from_host": ("host", host, published),
        "loopback": ("host", LOOPBACK, published),
        "published_from_container": ("job", host, published),
        "published_from_itself": ("web", host, published),
    }
