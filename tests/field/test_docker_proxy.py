"""The kind: Docker's own proxy between a container and a port that its host publishes."""

from pathlib import Path

import pytest

from tests.beds.docker import DockerMissing
from tests.beds.docker_scenes import harbour
from tests.beds.flows import flows_of
from tests.beds.watch import Watch

pytestmark = pytest.mark.kernel

CALLS = 5


@pytest.mark.parametrize("proxy", [True, False], ids=["userland_proxy", "no_userland_proxy"])
def test_who_answers_a_container_that_calls_its_host(tmp_path: Path, *, proxy: bool) -> None:
    """With Docker's default the proxy, whose own connection to the container is another flow; else the container."""
    try:
        with harbour(proxy, tmp_path) as port, Watch.started(tmp_path / "rows.jsonl") as watch:
            port.play("published_from_container", CALLS)
            calls, rows = {exchange.client for exchange in port.truth()}, watch.rows()
    except DockerMissing as missing:
        pytest.skip(str(missing))
    flows = [flow for flow in flows_of(rows) if flow.called in calls]
    assert len(flows) == CALLS
    assert {flow.evidence for flow in flows} == {"both"}
    comm = "docker-proxy" if proxy else "python3"
    assert {flow.rows[-1]["server.process.comm"] for flow in flows} == {comm}
