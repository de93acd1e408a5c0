"""Containers of a real Docker daemon: named however short they live, and by address while they have it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.doctor.names import check_docker
from enrichers.docker.config import DockerConfig
from enrichers.docker.containers import Containers
from model.enricher import Entity, KeyKind
from tests.beds.docker import IMAGE, Docker, DockerMissing
from tests.beds.network import Ground, execute, sweep
from tests.eventually import eventually
from tests.integration.relay import Relay
from tests.unit.engine.doctor.test_units import unit_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a Docker daemon needs root")

SHOP = "shop.example/cart"
SECOND = 1_000_000_000


@dataclass
class Site:
    """A daemon of one's own, with an image of two names."""

    docker: Docker
    name: str

    def command(self, *arguments: str) -> list[str]:
        return self.docker.client(*arguments)

    def run(self, name: str, *options: str, seconds: str = "60", image: str = IMAGE) -> str:
        """Starts a container that lives for so long; its id."""
        start = [
            "run",
            "--detach",
            f"--name={name}",
            f"--cgroup-parent=/{self.name}",
            "--volume=/usr:/usr:ro",
        ]
        return execute(*self.command(*start, *options, image, "/usr/bin/sleep", seconds)).strip()

    def run_to_end(self, name: str, seconds: str) -> str:
        """A container that came and went; its id."""
        container = self.run(name, seconds=seconds)
        execute(*self.command("wait", name))
        self.remove(name)
        return container

    def remove(self, name: str) -> None:
        execute(*self.command("rm", "--force", name))

    def inspect(self, name: str, what: str) -> str:
        return execute(*self.command("inspect", "--format", what, name)).strip()

    def cgroup(self, name: str) -> str:
        """The path as the kernel has it."""
        lines = Path("/proc", self.inspect(name, "{{.State.Pid}}"), "cgroup").read_text().splitlines()
        return max((line.split(":", 2)[2] for line in lines), key=len)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One daemon for all tests."""
    sweep()
    with closing(Ground()) as ground:
        name = ground.namespace("docker")
        try:
            with Docker.started(name, f"{ground.ipv4(129)}/25", userland_proxy=False) as docker:
                site = Site(docker, name)
                execute(*site.command("tag", IMAGE, f"{SHOP}:1.4"))
                yield site
        except DockerMissing as missing:
            pytest.skip(str(missing))


@pytest.fixture
async def relay(site: Site, tmp_path: Path) -> AsyncIterator[Relay]:
    """Between the enricher and the daemon."""
    relay = Relay(tmp_path / "docker.sock", Path(site.docker.url.removeprefix("unix://")))
    await relay.open()
    yield relay
    await relay.cut()


@pytest.fixture
async def containers(relay: Relay) -> AsyncIterator[Containers]:
    """The enricher, connected."""
    made = Containers(DockerConfig(url=relay.url, labels=("org.example.*",)))
    await made.start("node-1")
    await eventually(lambda: made.statistics().age_seconds == 0)
    yield made
    await made.close()


def name_of(entity: Entity | None) -> str | None:
    return entity.get("container.name") if entity else None


def test_doctor_asks_the_daemon(site: Site) -> None:
    """It answers with its version; a unit's user who is not of the socket's group may not ask."""
    config = DockerConfig(url=site.docker.url)
    check = check_docker(config, None)
    assert (check.status, check.detail.endswith(f"answers at {config.url}")) == ("ok", True)
    refused = check_docker(config, unit_of(User="daemon"))
    assert (refused.status, "SupplementaryGroups=" in refused.remedy) == ("degraded", True)


def began(pid: int) -> int:
    """When a process began (proc_pid_stat(5), ticks since boot), at the end of that tick; wall clock."""
    ticks = int(Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()[19]) + 1
    booted_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return booted_ns + ticks * SECOND // os.sysconf("SC_CLK_TCK")


async def test_image_labels_and_cgroup_tell_who_it_is(site: Site, containers: Containers) -> None:
    """Name, image, tag, image id and the labels asked for are known by id, and by the real cgroup."""
    labels = {
        "org.example.team": "shop",
        "other": "not wanted",
        "com.docker.compose.project": "store",
        "com.docker.compose.service": "cart",
        "com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-west-1:1234:task/prod/0123abcd",
        "com.amazonaws.ecs.task-definition-family": "cart",
        "com.amazonaws.ecs.task-definition-version": "17",
        "com.amazonaws.ecs.cluster": "prod",
    }
    options = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    container = await asyncio.to_thread(site.run, "cart-1", *options, image=f"{SHOP}:1.4")
    image_id = await asyncio.to_thread(site.inspect, "cart-1", "{{.Image}}")
    path = await asyncio.to_thread(site.cgroup, "cart-1")

    def known() -> Entity:
        return containers.lookup(KeyKind.CONTAINER, container, time.time_ns()) or {}

    await eventually(lambda: "container.image.id" in known())
    assert dict(known()) == {
        "container.id": container,
        "container.name": "cart-1",
        "container.runtime": "docker",
        "container.image.name": SHOP,
        "container.image.tags": "1.4",
        "container.image.id": image_id,
        "docker.compose.project": "store",
        "docker.compose.service": "cart",
        "aws.ecs.task.arn": labels["com.amazonaws.ecs.task-arn"],
        "aws.ecs.task.id": "0123abcd",
        "aws.ecs.task.family": "cart",
        "aws.ecs.task.revision": "17",
        "aws.ecs.cluster.arn": "arn:aws:ecs:eu-west-1:1234:cluster/prod",
        "container.label.org.example.team": "shop",
    }
    assert path.endswith(container)
    assert containers.lookup(KeyKind.CGROUP, path, time.time_ns()) == known()
    await asyncio.to_thread(site.remove, "cart-1")


async def test_a_container_of_a_moment_has_its_name(site: Site, containers: Containers) -> None:
    """One that lived 200 ms and is removed is still known for the time in which it was there."""
    before = time.time_ns()
    container = await asyncio.to_thread(site.run_to_end, "moment", "0.2")
    await eventually(lambda: name_of(containers.lookup(KeyKind.CONTAINER, container, time.time_ns())))
    entity = containers.lookup(KeyKind.CONTAINER, container, time.time_ns()) or {}
    assert (entity["container.name"], entity["container.image.name"]) == ("moment", IMAGE)
    assert containers.lookup(KeyKind.CONTAINER, container, before) is None


async def until_owner(containers: Containers, address: str, name: str | None) -> int:
    """When the address is this container's, or nobody's."""
    await eventually(lambda: name_of(containers.lookup(KeyKind.ADDRESS, address, time.time_ns())) == name)
    return time.time_ns()


async def test_an_address_used_again_is_another_container(site: Site, containers: Containers) -> None:
    """Each is answered for its own time; in between the address was nobody's."""
    times, addresses = [], set()
    for name in ("first", "second"):
        await asyncio.to_thread(site.run, name)
        address = await asyncio.to_thread(site.inspect, name, "{{.NetworkSettings.IPAddress}}")
        addresses.add(address)
        times.append(await until_owner(containers, address, name))
        await asyncio.to_thread(site.remove, name)
        times.append(await until_owner(containers, address, None))
    (address,) = addresses
    asked = [name_of(containers.lookup(KeyKind.ADDRESS, address, at)) for at in times]
    assert asked == ["first", None, "second", None]


async def test_an_address_is_the_containers_from_its_first_packet(site: Site, containers: Containers) -> None:
    """The daemon says that a container joined its network before its process begins."""
    await asyncio.to_thread(site.run, "early")
    address = await asyncio.to_thread(site.inspect, "early", "{{.NetworkSettings.IPAddress}}")
    await eventually(lambda: containers.lookup(KeyKind.ADDRESS, address, time.time_ns()))
    pid = await asyncio.to_thread(site.inspect, "early", "{{.State.Pid}}")
    began_ns = await asyncio.to_thread(began, int(pid))
    assert name_of(containers.lookup(KeyKind.ADDRESS, address, began_ns)) == "early"
    await asyncio.to_thread(site.remove, "early")


async def test_a_new_name_counts_from_then_on(site: Site, containers: Containers) -> None:
    """A renamed container has its old name for the time before."""
    container = await asyncio.to_thread(site.run, "old-name")
    await eventually(lambda: containers.lookup(KeyKind.CONTAINER, container, time.time_ns()))
    before = time.time_ns()
    await asyncio.to_thread(execute, *site.command("rename", "old-name", "new-name"))
    await eventually(
        lambda: name_of(containers.lookup(KeyKind.CONTAINER, container, time.time_ns())) == "new-name"
    )
    assert name_of(containers.lookup(KeyKind.CONTAINER, container, before)) == "old-name"
    await asyncio.to_thread(site.remove, "new-name")


async def test_a_daemon_that_was_away_is_asked_for_all(
    site: Site, relay: Relay, containers: Containers
) -> None:
    """Answers are stale meanwhile; afterwards who came is known, and who went has ended."""
    went = await asyncio.to_thread(site.run, "went")
    address = await asyncio.to_thread(site.inspect, "went", "{{.NetworkSettings.IPAddress}}")
    await eventually(lambda: containers.lookup(KeyKind.ADDRESS, address, time.time_ns()))
    await relay.cut()
    await eventually(lambda: containers.statistics().age_seconds > 0)
    stale = containers.statistics().stale
    assert name_of(containers.lookup(KeyKind.CONTAINER, went, time.time_ns())) == "went"
    assert containers.statistics().stale == stale + 1
    await asyncio.to_thread(site.remove, "went")
    came = await asyncio.to_thread(site.run, "came")
    moment = await asyncio.to_thread(site.run_to_end, "unseen", "0.1")
    await relay.open()
    await eventually(lambda: name_of(containers.lookup(KeyKind.ADDRESS, address, time.time_ns())) == "came")
    assert name_of(containers.lookup(KeyKind.CONTAINER, came, time.time_ns())) == "came"
    await eventually(
        lambda: name_of(containers.lookup(KeyKind.CONTAINER, moment, time.time_ns())) == "unseen"
    )
    assert containers.lookup(KeyKind.CONTAINER, went, time.time_ns() + 3600 * SECOND) is None
    await asyncio.to_thread(site.remove, "came")


async def test_a_daemon_that_comes_late_is_found(site: Site, tmp_path: Path) -> None:
    """Started before there is a daemon, the enricher waits for it, and knows who was there before."""
    container = await asyncio.to_thread(site.run, "there-before")
    relay = Relay(tmp_path / "late.sock", Path(site.docker.url.removeprefix("unix://")))
    containers = Containers(DockerConfig(url=relay.url))
    await containers.start("node-1")
    assert containers.lookup(KeyKind.CONTAINER, container, time.time_ns()) is None
    assert containers.statistics().age_seconds == float("inf")
    await relay.open()
    await eventually(
        lambda: name_of(containers.lookup(KeyKind.CONTAINER, container, time.time_ns())) == "there-before"
    )
    await containers.close()
    await relay.cut()
    await asyncio.to_thread(site.remove, "there-before")
