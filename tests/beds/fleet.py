"""A small cluster whose pods serve and call, each a network namespace and a cgroup; faults are real ones.

An API server tells of its pods: who they are, their versions, nodes and zones.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.beds.cgroups import cgroup
from tests.beds.fleet_resolver import NAME
from tests.beds.kube import Api
from tests.beds.network import Ground, execute, inside, ip, sweep
from tests.beds.processes import PYTHON, answer, read_log, running
from tests.integration.kubernetes.objects import PodSketch, node, owned_by, replica_set, uid_of

PORT: Final = 8080
SECOND_PORT: Final = 8081
NAMESPACE: Final = "shop"
ZONES: Final = {"n1": "eu-1a", "n2": "eu-1b", "n3": "eu-1b"}
#: Of the templates of pods, by version.
HASHES: Final = {"v1": "5d8f7c9b4", "v2": "6c9b8d7f5"}
#: Calls per second to each instance, port and path.
RATE: Final = float(os.environ.get("FLEET_RATE", "12"))


@dataclass(frozen=True)
class Service:
    """One Deployment.

    :param places: the version and the node of each instance.
    :param caller: the Deployment that calls it.
    """

    caller: str
    places: Sequence[tuple[str, str]]
    ports: Sequence[int] = (PORT,)
    paths: Sequence[str] = ("/",)


_SPREAD: Final = (("v1", "n1"), ("v1", "n2"), ("v1", "n3"))
SERVICES: Final = {
    "checkout": Service("web", (("v1", "n1"), ("v1", "n2"), ("v2", "n1"), ("v2", "n2"))),
    "search": Service("web", (("v1", "n1"), ("v1", "n2"), ("v1", "n1"))),
    "cart": Service("web", (("v1", "n1"), ("v1", "n2"), ("v1", "n2"))),
    "ledger": Service("app", (("v1", "n1"), ("v1", "n2"), ("v1", "n1")), (PORT, SECOND_PORT)),
    "api": Service("app", (("v1", "n1"), ("v1", "n2")), paths=("/pay", "/list")),
    "profile": Service("job", _SPREAD),
    "stock": Service("job", _SPREAD),
}
CALLERS: Final = {"web": "n1", "app": "n2", "job": "n1"}
#: Version and node of each resolver; who looks names up asks them in turn.
RESOLVERS: Final = (("v1", "n1"), ("v2", "n1"), ("v2", "n2"))
#: Has a process of its own see another ``/etc/resolv.conf``.
_RESOLV_CONF: Final = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


@dataclass(frozen=True)
class Plan:
    """What there is.

    :param services: by name; ``callers``: the node of each.
    :param resolvers: version and node of each; none: nobody looks names up.
    """

    services: Mapping[str, Service]
    callers: Mapping[str, str]
    resolvers: Sequence[tuple[str, str]] = ()


@dataclass
class Pod:
    """A network namespace with a process."""

    sketch: PodSketch
    namespace: str
    link: str
    process: "subprocess.Popen[str]"

    def order(self, words: str) -> None:
        """Of ``tests.beds.fleet_server``."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        assert answer(self.process) == "done"

    def iptables(self, *rule: str) -> None:
        """A rule in its network."""
        execute(*inside(self.namespace), "iptables", "-w", *rule)


WHOLE: Final = Plan(SERVICES, CALLERS, RESOLVERS)


@dataclass
class Fleet:
    """All pods by name; what they are called by is ``NAME-NUMBER``."""

    ground: Ground
    bridge: str
    folder: Path
    api: Api
    stack: contextlib.ExitStack
    plan: Plan
    pods: dict[str, Pod] = field(default_factory=dict)

    def start(self) -> None:
        """Everything serves and calls."""
        self.api.put(*(node(name, zone) for name, zone in ZONES.items()))
        for name, service in self.plan.services.items():
            for number, (version, machine) in enumerate(service.places, 1):
                ports = ",".join(map(str, service.ports))
                self._pod(f"{name}-{number}", version, machine, "tests.beds.fleet_server", ports)
        for number, (version, machine) in enumerate(self.plan.resolvers, 1):
            name = f"resolver-{number}"
            self._pod(name, version, machine, "tests.beds.fleet_resolver", str(self.folder / name))
        if self.plan.resolvers:
            self._look_up()
        for name, machine in self.plan.callers.items():
            log = str(self.folder / f"{name}.log")
            pod = self._pod(f"{name}-1", "v1", machine, "tests.beds.fleet_client", log)
            assert pod.process.stdin is not None
            pod.process.stdin.write(json.dumps(list(self._targets(name))) + "\n")
        for name, pod in self.pods.items():
            if not name.startswith("resolver-"):
                assert answer(pod.process) == "ready"

    def _look_up(self) -> None:
        """A pod asks all resolvers, one after the other; where one fails, its libc asks the next."""
        resolvers = [pod for name, pod in self.pods.items() if name.startswith("resolver-")]
        for pod in resolvers:
            assert answer(pod.process) == "ready"
        conf = self.folder / "resolv.conf"
        lines = [*(f"nameserver {pod.sketch.ip}" for pod in resolvers), "options rotate timeout:1"]
        conf.write_text("\n".join(lines) + "\n")
        before = ("unshare", "-m", "sh", "-c", _RESOLV_CONF, str(conf))
        pod = self._pod(
            "lookup-1", "v1", "n2", "tests.beds.fleet_lookups", str(self.folder / "lookup.log"), before=before
        )
        assert pod.process.stdin is not None
        pod.process.stdin.write(json.dumps({"name": f"{NAME}.", "rate": RATE * len(resolvers)}) + "\n")

    def _targets(self, caller: str) -> Iterator[tuple[str, int, str, float]]:
        for name, service in self.plan.services.items():
            for number in range(len(service.places) if service.caller == caller else 0):
                address = self.pods[f"{name}-{number + 1}"].sketch.ip
                yield from ((address, port, path, RATE) for port in service.ports for path in service.paths)

    def _pod(self, name: str, version: str, machine: str, *program: str, before: Sequence[str] = ()) -> Pod:
        number = len(self.pods) + 2
        address, link, namespace = self.ground.ipv4(number), f"pod{number}", self.ground.namespace(name)
        sketch = _sketch(name, version, machine, address)
        ip(
            self.bridge,
            f"link add {link} type veth peer name eth0 netns {namespace}\n"
            f"link set {link} master pods\nlink set {link} up\n",
        )
        ip(namespace, f"addr add {address}/24 dev eth0\nlink set eth0 up\n")
        path = f"{namespace}/kubepods/besteffort/pod{sketch.uid}/{sketch.container_id()}"
        within = self.stack.enter_context(cgroup(path))
        command = [*inside(namespace), *within, *before, PYTHON, "-m", *program]
        pod = Pod(sketch, namespace, link, self.stack.enter_context(running(command)))
        self.pods[name] = pod
        deployment = name.rpartition("-")[0]
        self.api.put(replica_set(f"{deployment}-{HASHES[version]}", deployment, NAMESPACE), sketch.json())
        return pod

    def refuse(self, *names: str) -> None:
        """Their servers listen no more."""
        for name in names:
            self.pods[name].order("refuse")

    def lose(self, name: str, share: float) -> None:
        """So much of what comes and goes is lost."""
        for chain in ("INPUT", "OUTPUT"):
            odds = ("-m", "statistic", "--mode", "random", "--probability", f"{share}")
            self.pods[name].iptables("-A", chain, "-p", "tcp", *odds, "-j", "DROP")

    def stop(self, name: str) -> None:
        """Its process does nothing any more, and is not gone."""
        self.pods[name].process.send_signal(signal.SIGSTOP)
        self.stack.callback(self.pods[name].process.send_signal, signal.SIGCONT)

    def block(self, port: int, *names: str) -> None:
        """Nothing that is for this port arrives."""
        for name in names:
            self.pods[name].iptables("-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", "DROP")

    def kill_node(self, machine: str) -> None:
        """Its pods are dead, and nobody answers for them."""
        for pod in self.pods.values():
            if pod.sketch.node == machine:
                ip(self.bridge, f"link set {pod.link} down\n")
                pod.process.kill()

    def lose_upstream(self, *names: str) -> None:
        """These resolvers answer SERVFAIL."""
        for name in names:
            self.pods[name].order("fail")

    def fail(self, path: str, *names: str) -> None:
        """They answer 503 there."""
        for name in names:
            self.pods[name].order(f"fail {path}")


def _sketch(name: str, version: str, machine: str, address: str) -> PodSketch:
    set_name = f"{name.rpartition('-')[0]}-{HASHES[version]}"
    owner = owned_by("ReplicaSet", set_name, uid_of(set_name))
    labels = {"app.kubernetes.io/version": version, "pod-template-hash": HASHES[version]}
    return PodSketch(name, NAMESPACE, ip=address, node=machine, owner=owner, labels=labels)


@contextlib.contextmanager
def fleet(folder: Path, plan: Plan = WHOLE) -> Iterator[Fleet]:
    """Everything runs; all is gone after the block."""
    sweep()
    with contextlib.closing(Ground()) as ground, Api.started() as api, contextlib.ExitStack() as stack:
        bridge = ground.namespace("bridge")
        ip(bridge, "link add pods type bridge\nlink set pods up\n")
        made = Fleet(ground, bridge, folder, api, stack, plan)
        made.start()
        yield made


def connects(rows: Path, plan: Plan = WHOLE) -> int:
    """Of the edge that has had the fewest, or queries of names.

    :param rows: of workloads, which Tailrace writes.
    """
    counts = {(name, port): 0 for name, service in plan.services.items() for port in service.ports}
    if plan.resolvers:
        counts["resolver", 53] = 0
    for row in read_log(rows):
        key = (row.get("server.workload.name", ""), row.get("server.port", 0))
        if key in counts:
            counts[key] += row.get("connections.opened", 0) + row.get("queries", 0)
    return min(counts.values())
