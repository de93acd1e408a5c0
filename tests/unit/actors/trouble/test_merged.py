"""Looks of several engines become one of each time."""

from dataclasses import replace

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Tick, Trouble
from actors.trouble.items import Look
from actors.trouble.merged import Merged

TICK_S = 10
WHERE = {"server.version": "v2"}
TOLD = Explanation([Cause(WHERE, 10.0, 90, 100, 1, 1.0, 0.0, [])], ["client.zone"])
SEEN = Trouble("t", "b", "reset", 100.0, 0.9, 0.1, 90, 100, frozenset({"a > b:1"}), WHERE, "critical")


def look(at: float, *troubles: Trouble, blind: bool = False, unknown: frozenset[str] = frozenset()) -> Look:
    return Look(Tick(at, troubles, blind, unknown), {each.key: TOLD for each in troubles if each.where})


def test_one_trouble_is_as_large_as_all_have_seen() -> None:
    merged = Merged(TICK_S)
    other = replace(
        SEEN, since=90.0, share=0.3, bad=30, edges=frozenset({"c > b:1"}), where={}, severity="error"
    )
    assert len(list(merged.add("one", look(100)))) == 1, "nobody else is known yet"
    assert list(merged.add("two", look(100))) == [], "it came late"
    assert list(merged.add("one", look(110, SEEN))) == []
    (whole,) = merged.add("two", look(110, other, unknown=frozenset({"t", "u"})))
    (trouble,) = whole.tick.troubles
    assert (trouble.bad, trouble.total, trouble.share, trouble.since) == (120, 200, 0.6, 90.0)
    assert (trouble.edges, trouble.where, trouble.severity) == (SEEN.edges | other.edges, WHERE, "critical")
    assert whole.explanations == {"t": TOLD}
    assert (whole.tick.unknown, whole.tick.blind, merged.late) == (frozenset({"u"}), False, 1)


def test_an_engine_that_is_late_is_waited_for_and_then_missing() -> None:
    """Two ticks long; what is missing is no health. After four the engine is gone, and missed no more."""
    merged = Merged(TICK_S)
    list(merged.add("two", look(100)))
    list(merged.add("one", look(100)))
    told = [each for at in range(110, 200, TICK_S) for each in merged.add("one", look(at))]
    assert [each.tick.at for each in told] == [float(at) for at in range(110, 200, TICK_S)]
    assert [each.tick.blind for each in told] == [True, True] + [False] * 7


def test_data_that_one_engine_lacks_is_lacking() -> None:
    merged = Merged(TICK_S)
    list(merged.add("one", look(100)))
    list(merged.add("two", look(100)))
    list(merged.add("one", look(110)))
    (whole,) = merged.add("two", look(110, blind=True))
    assert whole.tick.blind
