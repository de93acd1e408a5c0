"""Owners of connections are known from the kernel to the attributes, also of processes that are long gone."""

import asyncio
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from engine.config import Config
from engine.plugins.enrichers import node_identity
from enrichers.docker.config import DockerConfig
from enrichers.node import NodeIdentity
from model.clock import Clock
from model.enricher import Entity
from probes.kernel.layout import structs
from tests.beds.docker import IMAGE, Docker, DockerMissing
from tests.beds.network import Ground, execute, sweep
from tests.declared import KIND
from tests.eventually import eventually
from tests.kernel.loopback import ROLE, Seen
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

CLIENT = "/usr/bin/python3"
#: Connects, and is gone.
CALL = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()"


@pytest.fixture(scope="module")
def probe() -> Iterator[Probes]:
    """A probe for all tests here, with room for what others do meanwhile."""
    probe = Probes(slots=4096, ring_bytes=32 << 20)
    probe.start()
    yield probe
    probe.close()


def learn(node: NodeIdentity, seen: Seen) -> int:
    """What NodeActor does with events; the clock's offset."""
    offset_ns = Clock().offset_ns
    rows = seen.events[seen.events["header"]["kind"] == KIND["KIND_EXEC"]]
    node.learn(np.ascontiguousarray(rows).view(structs("process")["exec_event"]), offset_ns)
    return offset_ns


async def test_a_client_that_is_gone_is_known(seen: Seen, listener: socket.socket) -> None:
    """A process that connected and ended before anybody looked has its executable, command line and user."""
    port = listener.getsockname()[1]
    await asyncio.to_thread(subprocess.run, [CLIENT, "-c", CALL, str(port), "--token=hunter2"], check=True)
    accepted, _ = listener.accept()
    accepted.close()
    sockets = seen.await_ends(port, 2)["socket"]
    (client,) = sockets[sockets["peer_port"] == port]
    node = node_identity(Config(docker=DockerConfig(enabled="off")))
    await node.start()
    opened_ns = int(client["started_ns"]) + learn(node, seen)
    pid, program = int(client["owner"]["tgid"]), int(client["owner"]["program"])
    entity = node.attributes(pid, program, "", opened_ns)
    assert entity["process.executable.path"] == CLIENT
    assert entity["process.command_line"].startswith(f"{CLIENT} -c import socket")
    assert "hunter2" not in entity["process.command_line"]
    assert entity["process.owner"] == pwd.getpwuid(os.geteuid()).pw_name
    assert node.attributes(pid, program + 1_000_000_000, "", opened_ns) == {}  # a later process of this pid
    await node.close()


async def test_a_container_of_a_moment_is_known_by_its_connection(seen: Seen) -> None:
    """The cgroup that the kernel names leads to the name and image that Docker gave, after the container is gone."""
    sweep()
    with closing(Ground()) as ground:
        name = ground.namespace("identity")
        try:
            with Docker.started(name, f"{ground.ipv4(129)}/25", userland_proxy=False) as docker:
                entity = await _moment(docker, name, seen)
        except DockerMissing as missing:
            pytest.skip(str(missing))
    assert (entity["container.name"], entity["container.image.name"]) == ("moment", IMAGE)
    assert entity["process.executable.name"].startswith("python3")


async def _moment(docker: Docker, name: str, seen: Seen) -> Entity:
    """Who is at the client's end of a connection in a container that is gone."""
    node = node_identity(Config(docker=DockerConfig(url=docker.url)))
    await node.start()
    await eventually(lambda: node.containers.statistics().age_seconds == 0)
    options = ["run", "--rm", "--name=moment", f"--cgroup-parent=/{name}", "--volume=/usr:/usr:ro", IMAGE]
    await asyncio.to_thread(execute, *docker.client(*options, "/usr/bin/python3", "-c", TALK))
    events = [event for event in seen.drain() if event["header"]["kind"] == KIND["KIND_CLOSE"]]
    offset_ns = learn(node, seen)
    (client,) = [
        event
        for event in events
        if event["socket"]["role"] == ROLE["ROLE_CLIENT"] and len(_cgroup(seen, event)) > 64
    ]
    owner, opened_ns = client["socket"]["owner"], int(client["socket"]["started_ns"]) + offset_ns
    entity = node.attributes(int(owner["tgid"]), int(owner["program"]), _cgroup(seen, client), opened_ns)
    await node.close()
    return entity


#: Talks to itself.
TALK = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.close(); server.recv(1); server.close()
"""


def _cgroup(seen: Seen, event: np.void) -> str:
    """The name of the cgroup, as the kernel sent it once."""
    rows = seen.events[seen.events["header"]["kind"] == KIND["KIND_CGROUP"]]
    names = np.ascontiguousarray(rows).view(structs("kernel")["cgroup_event"])
    owner = event["socket"]["owner"]
    mine = names[(names["id"] == owner["cgroup_id"]) & (names["hierarchy"] == owner["cgroup_hierarchy"])]
    return "/" + mine["name"][-1].decode() if len(mine) else ""
