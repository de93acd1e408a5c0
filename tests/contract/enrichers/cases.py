"""The enrichers that the contract suite holds to the contract; a new one joins with a line in ``CASES``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from enrichers.cloud.config import CloudConfig
from enrichers.cloud.place import CloudPlace
from enrichers.dns_config import DnsConfig
from enrichers.docker.config import DockerConfig
from enrichers.docker.containers import Containers
from enrichers.names import ConfiguredNames, NamesConfig
from enrichers.process.config import ProcessConfig
from enrichers.process.processes import Processes
from enrichers.reverse_dns import ReverseDns
from model.enricher import Enricher, KeyKind
from probes.kernel.layout import structs
from tests.contract.enrichers.kubernetes_case import kubernetes_key, make_kubernetes, teach_kubernetes

#: Identities that an enricher of the suite may keep.
ENTRIES: Final = 64


@dataclass(frozen=True)
class EnricherCase:
    """An enricher under its name.

    :param make: one whose source is away: its socket, file or server is below the folder, where there is none.
    :param teach: makes the key known from a time on (wall clock, ns), as the source would; None if it cannot be
        taught without one.
    :param key: the n-th key, as it is taught and asked for.
    :param timeless: whether an answer holds at all times.
    """

    name: str
    make: Callable[[Path], Enricher]
    key: Callable[[int], tuple[KeyKind, str]]
    teach: Callable[[Enricher, int, int], None] | None = None
    timeless: bool = False


def _make_processes(folder: Path) -> Enricher:
    return Processes(
        ProcessConfig(entries=ENTRIES), proc=folder / "proc", passwd=folder / "passwd", census_seconds=0.01
    )


def _teach_process(enricher: Enricher, number: int, at_ns: int) -> None:
    assert isinstance(enricher, Processes)
    event = np.zeros(1, structs("process")["exec_event"])
    event["header"]["at_ns"], event["pid"], event["executable"] = at_ns, 1000 + number, b"/bin/app"
    enricher.learn(event, 0)


def _make_containers(folder: Path) -> Enricher:
    return Containers(DockerConfig(url=f"unix://{folder}/docker.sock", entries=ENTRIES))


def _teach_container(enricher: Enricher, number: int, at_ns: int) -> None:
    assert isinstance(enricher, Containers)
    attributes = {"name": f"web-{number}", "image": "app:1"}
    event = {
        "Type": "container",
        "Action": "create",
        "Actor": {"ID": f"{number:064x}", "Attributes": attributes},
    }
    enricher.memory.event({**event, "timeNano": at_ns})


def _make_cloud(folder: Path) -> Enricher:
    return CloudPlace(CloudConfig("auto", region="r1"), url="http://127.0.0.1:1")


CASES: Final = (
    EnricherCase("process", _make_processes, lambda n: (KeyKind.PROCESS, str(1000 + n)), _teach_process),
    EnricherCase("container", _make_containers, lambda n: (KeyKind.CONTAINER, f"{n:064x}"), _teach_container),
    EnricherCase("cloud", _make_cloud, lambda n: (KeyKind.NODE, f"node-{n + 1}"), timeless=True),
    EnricherCase(
        "names",
        lambda _: ConfiguredNames(NamesConfig({"10.0.0.0/8": "inside"}), entries=ENTRIES),
        lambda n: (KeyKind.ADDRESS, f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"),
        timeless=True,
    ),
    EnricherCase(
        "reverse_dns",
        lambda _: ReverseDns(DnsConfig(reverse=True, entries=ENTRIES), resolve=lambda _: ""),
        lambda n: (KeyKind.ADDRESS, f"192.0.2.{n & 255}"),
    ),
    EnricherCase(
        "kubernetes", lambda folder: make_kubernetes(folder, ENTRIES), kubernetes_key, teach_kubernetes
    ),
)
