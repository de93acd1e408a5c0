"""Containers of a real Docker daemon: published ports, with and without its proxy."""

from dataclasses import dataclass

import pytest

from tests.beds.check import compare, report
from tests.beds.docker import DockerMissing
from tests.beds.docker_scenes import cases, harbour
from tests.beds.flows import Row, flows_of
from tests.beds.truth import Exchange
from tests.beds.watch import Territory, Watch, scaled

pytestmark = pytest.mark.kernel

SCENES = (
    "container_to_container",
    "container_to_outside",
    "published_from_outside",
    "published_from_host",
    "published_from_container",
    "published_from_itself",
    "loopback",
)


@dataclass
class Reported:
    """What happened and what Tailrace said of it."""

    proxy: bool
    truth: list[Exchange]
    rows: list[Row]
    territory: Territory

    def failures(self) -> list[str]:
        """All that is wrong."""
        return compare(cases(self.truth, self.proxy), self.rows, self.territory)


@pytest.fixture(scope="module", params=[True, False], ids=["proxy", "no_proxy"])
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """After all scenes."""
    folder = tmp_path_factory.mktemp("docker")
    try:
        with harbour(request.param, folder) as port, Watch.started(folder / "flows.jsonl") as watch:
            for scene in SCENES:
                port.play(scene, scaled(20))
            return Reported(request.param, port.truth(), watch.rows(), port.territory)
    except DockerMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("scene", SCENES)
def test_both_ends_are_joined(reported: Reported, scene: str) -> None:
    """Container or host, published or not: each connection is one flow; through the proxy they are two."""
    assert sum(exchange.scene == scene for exchange in reported.truth) == scaled(20)
    failures = [failure for failure in reported.failures() if failure.startswith(f"{scene} ")]
    assert not failures, report(failures)


def test_nothing_else_is_told(reported: Reported) -> None:
    """There is no flow between containers and hosts that did not take place."""
    phantoms = [failure for failure in reported.failures() if failure.startswith("phantom")]
    assert not phantoms, report(phantoms)


def test_the_proxy_is_named_where_it_is_in_between(reported: Reported) -> None:
    """Who called 127.0.0.1 was answered by Docker's proxy, if there is one, else by the container's server."""
    calls = {exchange.client for exchange in reported.truth if exchange.scene == "loopback"}
    flows = [flow for flow in flows_of(reported.rows) if flow.called in calls]
    assert len(flows) == scaled(20)
    comm = "docker-proxy" if reported.proxy else "python3"
    assert {flow.rows[-1]["server.process.comm"] for flow in flows} == {comm}
