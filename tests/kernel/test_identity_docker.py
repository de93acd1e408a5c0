"""Containers from a real Docker daemon to the rows: names, images, labels, processes; however short they live."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.beds.docker import IMAGE, Container, Docker, DockerMissing
from tests.beds.figures import Figures
from tests.beds.flows import Row, flows_of
from tests.beds.network import Ground, execute, inside, sweep
from tests.beds.processes import Client
from tests.beds.truth import gather
from tests.beds.watch import Watch, scaled

pytestmark = pytest.mark.kernel

#: Of a container, in memory: its id and its address.
IDENTITIES: Final = 2
PORT: Final = 8000
PUBLISHED: Final = 9001
CALLS: Final = scaled(5)
MOMENTS: Final = scaled(5)
TENANTS: Final = 3
SHOP: Final = "shop.example:5000/store"
ARN: Final = "arn:aws:ecs:eu-west-1:1234"


@dataclass(frozen=True)
class Kind:
    """Containers of one image, with the labels of Compose, ECS and their own."""

    name: str
    tag: str

    @property
    def image(self) -> str:
        """As it is named to Docker."""
        return f"{SHOP}/{self.name}:{self.tag}"

    @property
    def options(self) -> list[str]:
        """Of ``docker run``: the labels."""
        labels = {
            "org.example.team": f"team-{self.name}",
            "org.example.other": "is not asked for",
            "com.docker.compose.project": "store",
            "com.docker.compose.service": self.name,
            "com.amazonaws.ecs.task-arn": f"{ARN}:task/prod/{self.name}",
            "com.amazonaws.ecs.task-definition-family": self.name,
            "com.amazonaws.ecs.task-definition-version": "17",
            "com.amazonaws.ecs.container-name": self.name,
            "com.amazonaws.ecs.cluster": "prod",
        }
        return [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]

    def entity(self, container: str) -> dict[str, str]:
        """What has to be said of a container of this kind, by whatever it is found."""
        return {
            "container.name": container,
            "container.runtime": "docker",
            "container.image.name": f"{SHOP}/{self.name}",
            "container.image.tags": self.tag,
            "container.label.org.example.team": f"team-{self.name}",
            "docker.compose.project": "store",
            "docker.compose.service": self.name,
            "aws.ecs.task.arn": f"{ARN}:task/prod/{self.name}",
            "aws.ecs.task.id": self.name,
            "aws.ecs.task.family": self.name,
            "aws.ecs.task.revision": "17",
            "aws.ecs.container.name": self.name,
            "aws.ecs.cluster.arn": f"{ARN}:cluster/prod",
        }


CART: Final = Kind("cart", "1.4")
TILL: Final = Kind("till", "2.0-rc1")


@dataclass(frozen=True)
class Site:
    """A daemon on a host of its own."""

    docker: Docker
    ground: Ground
    host: str
    logs: Path
    figures: Figures

    @contextlib.contextmanager
    def server(self, name: str, kind: Kind, *options: str) -> Iterator[Container]:
        """A container that answers."""
        more = [*kind.options, *options]
        with self.docker.server(name, self.logs, PORT, *more, image=kind.image) as container:
            yield container

    @contextlib.contextmanager
    def client(self, name: str, kind: Kind) -> Iterator[Client]:
        """A container that calls."""
        prefix = self.docker.container(name, self.logs, *kind.options, image=kind.image)
        with Client.started(prefix, self.logs / f"{name}.log") as client:
            yield client

    def watch(self, *namespaces: str) -> contextlib.AbstractContextManager[Watch]:
        """Tailrace, which asks the daemon."""
        settings = self.docker.environment("org.example.t*") | self.figures.environment
        return Watch.started(self.logs / "flows.jsonl", namespaces, settings)

    def await_known(self, watch: Watch, containers: int) -> None:
        """Returns when Tailrace knows so many containers, and the addresses that they have or had."""
        watch.await_that(lambda: self.figures.identities("container") >= IDENTITIES * containers)

    def rows(self, watch: Watch) -> list[list[Row]]:
        """The rows of each connection between containers, and with them."""
        prefix = self.ground.prefixes[0]
        flows = flows_of(watch.rows())
        return [flow.rows for flow in flows if flow.server[0].startswith(prefix) and flow.server[1] == PORT]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A daemon that knows of no containers, with both images."""
    sweep()
    with contextlib.closing(Ground()) as ground:
        host = ground.namespace("host")
        try:
            with Docker.started(host, f"{ground.ipv4(129)}/25", userland_proxy=False) as docker:
                for kind in (CART, TILL):
                    execute(*docker.client("tag", IMAGE, kind.image))
                yield Site(docker, ground, host, tmp_path, Figures())
        except DockerMissing as missing:
            pytest.skip(str(missing))


def missing(row: Row, end: str, expected: dict[str, str]) -> dict[str, str | None]:
    """What a row says otherwise of an end, or does not say."""
    entity = row.get(f"{end}.entity", {})
    return {name: entity.get(name) for name, text in expected.items() if entity.get(name) != text}


def program(row: Row, end: str) -> str:
    """The program at an end; any Python is one."""
    return str(row.get(f"{end}.entity", {}).get("process.executable.name"))[:7]


def test_both_ends_through_a_published_port_are_named(site: Site) -> None:
    """Each row has, of both containers, name, image, tag and labels from Docker, and the program from the kernel."""
    with (
        site.watch() as watch,
        site.server("web", CART, f"--publish={PUBLISHED}:{PORT}") as web,
        site.client("job", TILL) as job,
    ):
        job.call("published", site.ground.ipv4(129), PUBLISHED, CALLS)
        truth = gather([job], [web.server])
        flows = site.rows(watch)
    assert len(flows) == len(truth) == CALLS
    rows = [row for flow in flows for row in flow]
    assert [missing(row, "client", TILL.entity("job")) for row in rows] == [{}] * len(rows)
    assert [missing(row, "server", CART.entity("web")) for row in rows] == [{}] * len(rows)
    assert {(program(row, "client"), program(row, "server")) for row in rows} == {("python3", "python3")}
    assert {row["service.port"] for row in rows} == {PUBLISHED}


def test_containers_of_a_moment_are_named(site: Site) -> None:
    """Containers that come, make one connection and are gone, one after the other with one address."""
    names = [f"moment-{number}" for number in range(MOMENTS)]
    clients = []
    with site.watch() as watch, site.server("web", CART) as web:
        for name in names:
            with site.client(name, TILL) as client:
                client.call(name, web.address, PORT, 1)
                clients.append(client)
        truth = gather(clients, [web.server])
        flows = site.rows(watch)
    assert len({exchange.client.source for exchange in truth}) == 1
    expected = {exchange.client.source_port: exchange.scene for exchange in truth}
    assert {flow[0]["client.port"] for flow in flows} == expected.keys()
    rows = [row for flow in flows for row in flow]
    wrong = [missing(row, "client", TILL.entity(expected[row["client.port"]])) for row in rows]
    assert wrong == [{}] * len(rows)
    assert [missing(row, "server", CART.entity("web")) for row in rows] == [{}] * len(rows)
    assert [(program(row, "client"), program(row, "server")) for row in rows] == [
        ("python3", "python3")
    ] * len(rows)


def test_an_address_used_again_is_the_container_that_had_it_then(site: Site) -> None:
    """Tailrace sees the host's end only: who answers is told by the address at the connection's time."""
    tenants = {f"tenant-{number}": (CART, TILL)[number % 2] for number in range(TENANTS)}
    addresses, servers = set(), []
    with (
        site.watch(site.host) as watch,
        Client.started(inside(site.host), site.logs / "host.log") as client,
    ):
        for name, kind in tenants.items():
            with site.server(name, kind) as container:
                servers.append(container.server)
                addresses.add(container.address)
                site.await_known(watch, len(servers))
                client.call(name, container.address, PORT, CALLS)
                taken = {
                    exchange.client.source_port: exchange.scene for exchange in gather([client], servers)
                }
        flows = site.rows(watch)
    assert len(addresses) == 1
    assert {flow[0]["client.port"] for flow in flows} == taken.keys()
    for row in (row for flow in flows for row in flow):
        name = taken[row["client.port"]]
        assert missing(row, "server", tenants[name].entity(name) | {"identity.evidence": "address"}) == {}
