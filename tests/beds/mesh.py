"""A mesh: three services, each behind an Envoy of its own; one is sent what is another's, one Envoy tells nothing.

    client ─► Envoy of shop ─┬─► Envoy of cart ─► cart      /cart, and by mistake /pay
                             ├─► Envoy of pay ─► pay        /pay/refund
                             └─► shop                       everything else

The Envoy of shop was told a wrong port for /pay: cart gets what is pay's. The Envoy of cart has no telemetry: it logs
nothing. Each process is in a systemd unit of its own, by its cgroup.
"""

import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.beds.cgroups import cgroup
from tests.beds.envoys import Cluster, Envoy, Listener, Settings, certificates, envoy, free_ports, listens
from tests.kernel.loopback import until

#: By which name shop's Envoy calls cart's, as Istio's call each other, and the cluster that this stands for.
CALLED: Final = "outbound_.80_._.cart.shop.svc.cluster.local"
CLUSTER: Final = "outbound|80||cart.shop.svc.cluster.local"
SERVICES: Final = ("shop", "cart", "pay")


@dataclass(frozen=True)
class Mesh:
    """What runs.

    :param entry: the port at which clients ask.
    :param secure: whether Envoys speak TLS to each other.
    :param ports: of the services themselves, by name.
    :param doors: where their Envoys listen, by the service that they stand before; ``envoys`` likewise.
    """

    entry: int
    ports: dict[str, int]
    doors: dict[str, int]
    envoys: dict[str, Envoy]
    folder: Path
    secure: bool

    def answered(self, service: str) -> Counter[tuple[str, str, int]]:
        """What a service logged: method, path, status."""
        lines = (line.split() for line in (self.folder / f"{service}.log").read_text().splitlines())
        return Counter((method, path, int(status)) for _, method, path, status in lines)


def unit(service: str, *, proxy: bool = False) -> str:
    """The systemd unit of a service, or of its Envoy."""
    return f"mesh-{service}{'-envoy' if proxy else ''}.service"


@contextlib.contextmanager
def mesh(folder: Path, *, secure: bool = False) -> Iterator[Mesh]:
    """All of it, until the block ends.

    :param secure: whether Envoys speak mutual TLS to each other.
    """
    folder.mkdir(exist_ok=True)
    tls = certificates(folder) if secure else None
    entry, cart, pay, *own = free_ports(6)
    ports = dict(zip(SERVICES, own, strict=True))
    sidecars = {
        "cart": Settings(
            [Listener(cart, {"/": "own"}, secure)], {"own": Cluster(ports["cart"])}, logged=False
        ),
        "pay": Settings([Listener(pay, {"/": "own"}, secure)], {"own": Cluster(ports["pay"])}),
        "shop": Settings(
            [Listener(entry, {"/cart": "cart", "/pay/refund": "pay", "/pay": "pay-old", "/": "own"})],
            {
                "cart": Cluster(cart, secure, name=CALLED),
                "pay": Cluster(pay, secure),
                "pay-old": Cluster(cart, secure),  # a port that was pay's once
                "own": Cluster(ports["shop"]),
            },
        ),
    }
    with contextlib.ExitStack() as stack:
        for name in SERVICES:
            within = stack.enter_context(cgroup(unit(name)))
            stack.enter_context(_service(within, name, ports[name], folder / f"{name}.log"))
        envoys = {}
        for name, settings in sidecars.items():
            within = stack.enter_context(cgroup(unit(name, proxy=True)))
            envoys[name] = stack.enter_context(envoy(folder / name, settings, tls, within))
        yield Mesh(entry, ports, {"shop": entry, "cart": cart, "pay": pay}, envoys, folder, secure)


@contextlib.contextmanager
def _service(within: list[str], name: str, port: int, log: Path) -> Iterator[None]:
    log.touch()
    command = [*within, sys.executable, "-m", "tests.beds.mesh_service", name, str(port), str(log)]
    process = subprocess.Popen(command)
    try:
        assert until(lambda: listens(port), 60)
        yield
    finally:
        process.kill()
        process.wait()
