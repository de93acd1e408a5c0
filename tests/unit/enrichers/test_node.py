"""What a node knows of its processes, put together."""

import numpy as np

from engine.config import Config
from engine.plugins.enrichers import node_identity
from enrichers.cloud.config import CloudConfig
from enrichers.docker.config import DockerConfig
from probes.kernel.layout import structs

ID = "3f8a" * 16
CONFIG = Config(node="n1", docker=DockerConfig(enabled="off"), cloud=CloudConfig(zone="rack-7"))


def execution(pid: int, at_ns: int) -> np.ndarray:
    event = np.zeros(1, structs("process")["exec_event"])
    event["header"]["at_ns"], event["pid"] = at_ns, pid
    event["executable"] = event["arguments"] = b"/bin/app"
    return event


def test_process_container_and_place_are_put_together() -> None:
    """Each says what it knows, and what is not known is left out."""
    node = node_identity(CONFIG)
    node.learn(execution(7, 100), 50)
    entity = dict(node.attributes(7, 0, f"/system.slice/docker-{ID}.scope", 150))
    assert entity.pop("process.creation.time").startswith("1970-")
    assert entity == {
        "cloud.availability_zone": "rack-7",
        "container.id": ID,
        "container.runtime": "docker",
        "process.executable.path": "/bin/app",
        "process.executable.name": "app",
        "process.command_line": "/bin/app",
        "process.owner": "0",
    }
    assert node.attributes(7, 1 << 20, "/system.slice/app.service", 150) == {
        "cloud.availability_zone": "rack-7",
        "systemd.unit": "app.service",
    }


def test_nobody_is_only_somewhere() -> None:
    """A socket of the kernel has neither process nor container."""
    node = node_identity(CONFIG)
    assert node.attributes(0, 0, "", 1) == {"cloud.availability_zone": "rack-7"}
    assert node.container_at("10.0.0.1", 1) is None


def test_the_version_is_that_of_all() -> None:
    """A process that runs another program changes it."""
    node = node_identity(CONFIG)
    node.learn(execution(7, 100), 0)
    version = node.version
    node.learn(execution(7, 200), 0)
    assert node.version > version


async def test_it_starts_and_closes_without_any_source() -> None:
    """And counts for each of its parts."""
    node = node_identity(CONFIG)
    await node.start()
    await node.close()
    node.attributes(7, 0, "/a", 1)
    statistics = node.statistics()
    assert sorted(statistics) == ["cloud", "container", "process"]
    assert (statistics["process"].misses, statistics["container"].misses) == (1, 1)
