"""Who sees one end only, or not the NAT between both, says what can be known and invents nothing."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from tests.beds.network import bed
from tests.beds.outcome import outcome_of
from tests.beds.scenes import Role, place, stage
from tests.beds.watch import Watch, scaled

pytestmark = pytest.mark.kernel

Roles = tuple[Role, ...]


@pytest.mark.parametrize(
    ("roles", "grades"),
    [
        (("client",), {"address", "nat"}),
        (("client", "router"), {"address", "nat", "both"}),
        (("server1", "server2"), {"address"}),
        (("server1", "server2", "router"), {"address", "nat", "both"}),
        (("client", "server1", "server2"), {"address", "client", "server", "nat", "both"}),
    ],
    ids="+".join,
)
def test_what_is_seen_is_what_is_told(roles: Roles, grades: set[str], tmp_path: Path) -> None:
    """Limited to some namespaces it tells of each end that is in them, and joins them if their NAT is in them too."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(bed())
        playing = stack.enter_context(stage(made, "nftables", tmp_path))
        names = [place(made, role).namespace for role in roles]
        watch = stack.enter_context(Watch.started(tmp_path / "flows.jsonl", names))
        playing.play_all(scaled(10))
        outcome = outcome_of(playing)
        outcome.rows = watch.rows()
    assert grades == set(Counter(case.evidence for case in outcome.cases(roles)))
    outcome.check(roles)
