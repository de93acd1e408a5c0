"""A client and a node whose pods have one and the same address, one after the other."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.beds.network import Ground, Place, execute, inside, ip, sweep
from tests.beds.processes import PYTHON, Client, Server
from tests.beds.truth import LOG_SECONDS
from tests.integration.kubernetes.objects import Json, PodSketch, owned_by, replica_set, uid_of

PORT: Final = 8000
_CLIENT, _POD = 18, 34
_TEMPLATE: Final = "5d8f7c9b4"
#: Fails unless it is refused.
_REFUSED: Final = """
import errno, socket, sys
sock = socket.socket()
sock.bind(("", int(sys.argv[1])))
sys.exit(sock.connect_ex((sys.argv[2], int(sys.argv[3]))) != errno.ECONNREFUSED)
"""


@dataclass
class Pod:
    """A network namespace with a server; the API's view of it is ``sketch``."""

    sketch: PodSketch
    link: str
    server: Server
    process: contextlib.ExitStack

    def ids(self) -> set[int]:
        """The connections that it took and that are over."""
        return {line["id"] for line in self.server.lines()}


def sketch(name: str, address: str) -> PodSketch:
    """A pod of a Deployment, in a Kubernetes namespace, both of its own."""
    set_name, namespace = f"{name}-{_TEMPLATE}", f"team-{name}"
    owner = owned_by("ReplicaSet", set_name, uid_of(set_name))
    labels = {"pod-template-hash": _TEMPLATE}
    return PodSketch(name, namespace, ip=address, owner=owner, labels=labels)


def entity_of(pod: PodSketch) -> dict[str, str]:
    """What has to be said of a pod, by whatever it is found."""
    return {
        "k8s.namespace.name": pod.namespace,
        "k8s.pod.name": pod.name,
        "k8s.pod.uid": pod.uid,
        "k8s.workload.name": pod.name,
        "k8s.workload.kind": "Deployment",
    }


def owner_of(pod: PodSketch) -> Json:
    """The ReplicaSet of a pod."""
    return replica_set(f"{pod.name}-{_TEMPLATE}", pod.name, pod.namespace)


@dataclass
class Village:
    """The node forwards to one pod at a time."""

    ground: Ground
    client: Place
    node: str
    logs: Path
    stack: contextlib.ExitStack
    pods: dict[str, Pod] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Of all pods."""
        return self.ground.ipv4(_POD)

    def pod(self, name: str) -> Pod:
        """Another pod, which serves, though nobody reaches it yet."""
        link = f"pod{len(self.pods)}"
        namespace, gateway = self.ground.namespace(link), self.ground.ipv4(_POD - 1)
        links = f"link add {link} type veth peer name node netns {namespace}\n"
        ip(self.node, f"{links}addr add {gateway}/32 dev {link}\nlink set {link} up\n")
        there = f"addr add {self.address}/28 dev node\nlink set node up\nroute add default via {gateway}\n"
        ip(namespace, there)
        started = Server.started(inside(namespace), self.logs / f"{name}.log", [PORT])
        process = self.stack.enter_context(contextlib.ExitStack())
        made = Pod(sketch(name, self.address), link, process.enter_context(started), process)
        self.pods[name] = made
        return made

    def lead_to(self, pod: Pod) -> None:
        """The address is this pod's from now on."""
        ip(self.node, f"route replace {self.address}/32 dev {pod.link}\n")
        pod.sketch.made, pod.sketch.started = time.time() - 2, time.time()

    def remove(self, pod: Pod) -> None:
        """Its process has ended, and its network is gone."""
        pod.process.close()
        ip(self.node, f"link del {pod.link}\n")
        pod.sketch.finished = time.time()

    def caller(self, name: str) -> Client:
        """A client that waits for orders."""
        return self.stack.enter_context(self.calling(name))

    @contextlib.contextmanager
    def calling(self, name: str, prefix: Sequence[str] = ()) -> Iterator[Client]:
        """A client that waits for orders.

        :param prefix: the beginning of its command line.
        """
        command = [*inside(self.client.namespace), *prefix]
        with Client.started(command, self.logs / f"calls-{name}.log") as client:
            yield client

    def refused(self, port: int) -> None:
        """A connection from this port that whoever has the address refuses."""
        arguments = (str(port), self.address, str(PORT + 1))
        execute(*inside(self.client.namespace), PYTHON, "-c", _REFUSED, *arguments)

    def truth(self, *clients: Client) -> dict[int, str]:
        """The pod that took each connection that is over, by the client's port.

        :raises ValueError: if a pod took connections that are not the clients', or the other way round.
        """
        calls = {line["id"]: line["local_port"] for client in clients for line in client.lines()}
        deadline = time.monotonic() + LOG_SECONDS
        while len(taken := self._taken()) < len(calls) and time.monotonic() < deadline:
            time.sleep(0.01)
        if taken.keys() != calls.keys():
            raise ValueError(f"{len(calls)} connections were made, {len(taken)} were taken")
        return {port: taken[identity] for identity, port in calls.items()}

    def _taken(self) -> dict[int, str]:
        return {identity: pod.sketch.name for pod in self.pods.values() for identity in pod.ids()}


@contextlib.contextmanager
def village(logs: Path) -> Iterator[Village]:
    """The client and the node; everything is gone after the block."""
    sweep()
    with contextlib.closing(Ground()) as ground, contextlib.ExitStack() as stack:
        node, client = ground.namespace("node"), ground.namespace("client")
        near, far = ground.ipv4(_CLIENT - 1), ground.ipv4(_CLIENT)
        links = f"link add client type veth peer name node netns {client}\n"
        ip(node, f"{links}addr add {near}/28 dev client\nlink set client up\n")
        ip(client, f"addr add {far}/28 dev node\nlink set node up\nroute add default via {near}\n")
        yield Village(ground, Place(client, far, ""), node, logs, stack)
