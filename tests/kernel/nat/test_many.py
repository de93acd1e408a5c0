"""Many short connections through DNAT: each is joined with the backend that its server's log names."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.beds.check import compare, report, whole
from tests.beds.flows import Row
from tests.beds.rules import KINDS, Kind
from tests.beds.scenes import Stage, stages
from tests.beds.truth import Exchange
from tests.beds.watch import Territory, Watch, scaled

pytestmark = pytest.mark.kernel

COUNT = scaled(1000)

Reported = dict[Kind, tuple[list[Exchange], Territory]]


def play(playing: Stage) -> None:
    """As fast as one client makes them, over two backends at random."""
    playing.play("dnat", "ipv4", COUNT)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reported, list[Row]]:
    """Three beds at once, one with each kind of rules."""
    folder = tmp_path_factory.mktemp("many")
    with stages(folder) as playing, Watch.started(folder / "flows.jsonl") as watch:
        with ThreadPoolExecutor(len(playing)) as threads:
            list(threads.map(play, playing.values()))
        truth = {kind: (one.truth(), Territory.of(one.bed)) for kind, one in playing.items()}
        return truth, watch.rows()


@pytest.mark.parametrize("kind", KINDS)
def test_each_short_connection_has_its_own_backend(reported: tuple[Reported, list[Row]], kind: Kind) -> None:
    """1,000 connections: none with a wrong backend, none missing, none that was not, all bytes."""
    (truth, territory), rows = reported[0][kind], reported[1]
    backends = Counter(exchange.server.destination for exchange in truth)
    assert len(truth) == COUNT
    assert len(backends) == 2
    assert min(backends.values()) > COUNT // 4
    failures = compare([whole(exchange, rewritten=True) for exchange in truth], rows, territory)
    assert not failures, report(failures)
