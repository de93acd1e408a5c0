"""NAT by iptables and nftables, IPv4 and IPv6: both ends of each connection are joined, by whatever rules it went."""

import pytest

from tests.beds.check import report
from tests.beds.network import FAMILIES, Family
from tests.beds.outcome import Outcome, outcome_of
from tests.beds.rules import KINDS, Kind
from tests.beds.scenes import SCENES, stages
from tests.beds.watch import Watch, scaled

pytestmark = pytest.mark.kernel

All = dict[Kind, Outcome]


@pytest.fixture(scope="module")
def beds(tmp_path_factory: pytest.TempPathFactory) -> All:
    """A bed of each kind, all scenes on all of them, told by one ``tailrace run``."""
    folder = tmp_path_factory.mktemp("rules")
    with stages(folder) as playing, Watch.started(folder / "flows.jsonl") as watch:
        for one in playing.values():
            one.play_all(scaled(20))
        outcome = {kind: outcome_of(one) for kind, one in playing.items()}
        rows = watch.rows()
    for each in outcome.values():
        each.rows = rows
    return outcome


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scene", [scene.name for scene in SCENES])
@pytest.mark.parametrize("kind", KINDS)
def test_both_ends_are_joined(beds: All, kind: Kind, scene: str, family: Family) -> None:
    """Each connection is one flow: the client's own address, what it called, who answered, the chain, the bytes."""
    failures = [failure for failure in beds[kind].wrong if failure.startswith(f"{scene}-{family} ")]
    assert not failures, report(failures)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_is_told(beds: All, kind: Kind) -> None:
    """There is no flow of the bed that did not take place."""
    assert sum(case.evidence == "both" for case in beds[kind].cases()) == scaled(20) * len(SCENES) * len(
        FAMILIES
    )
    phantoms = [failure for failure in beds[kind].wrong if failure.startswith("phantom")]
    assert not phantoms, report(phantoms)
