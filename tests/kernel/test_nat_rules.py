"""NAT by iptables and nftables, IPv4 and IPv6: both ends of each connection are joined, by whatever rules it went."""

import contextlib

import pytest

from tests.beds.check import report
from tests.beds.network import FAMILIES, Family, bed
from tests.beds.played import Played, played
from tests.beds.rules import KINDS, Kind
from tests.beds.scenes import SCENES, stage
from tests.beds.watch import Watch, scaled

pytestmark = pytest.mark.kernel

All = dict[Kind, Played]


@pytest.fixture(scope="module")
def beds(tmp_path_factory: pytest.TempPathFactory) -> All:
    """A bed of each kind, all scenes on all of them, told by one ``tailrace run``."""
    with contextlib.ExitStack() as stack:
        folder = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
        stages = {
            kind: stack.enter_context(stage(stack.enter_context(bed()), kind, folder[kind])) for kind in KINDS
        }
        watch = stack.enter_context(Watch.started(folder["legacy"] / "flows.jsonl"))
        for scene in SCENES:
            for playing in stages.values():
                for family in FAMILIES:
                    playing.play(scene.name, family, scaled(20))
        outcome = {kind: played(playing) for kind, playing in stages.items()}
        rows = watch.rows()
    for one in outcome.values():
        one.rows = rows
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
