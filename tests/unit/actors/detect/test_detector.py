"""What is ill, by counts of which the truth is known."""

from copy import deepcopy
from functools import cache
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.detect.detector import Detector
from actors.detect.observations import Event, Findings, Known, Observations, State, summed
from actors.detect.state import EVIDENCE
from actors.detect.symptoms import SYMPTOMS
from model.ledger import Ledger

TAUGHT = 400
FAILED = 0
EDGE = 7
ALL = Known()
NOTHING = Known(all=False)


def seen(*rows: tuple[int, float, float], symptom: int = FAILED, traffic: float = 1e6) -> Observations:
    """Edges with bad ones and all of one symptom."""
    shape = (len(rows), len(SYMPTOMS))
    bad, total = np.zeros((2, *shape), np.float32)
    for place, row in enumerate(rows):
        bad[place, symptom], total[place, symptom] = row[1:]
    ids = np.array([row[0] for row in rows], np.uint64)
    return Observations(ids, bad, total, np.full(len(rows), traffic, np.float32))


def _teach(detector: Detector, bad: float) -> Detector:
    for tick in range(TAUGHT):
        detector.step(tick, seen((EDGE, bad, 100)), ALL)
    return detector


@cache
def _taught(bad: float) -> Detector:
    return _teach(Detector(), bad)


def taught(bad: float = 0, **options: Any) -> Detector:
    """A detector that knows how its edge usually is."""
    return _teach(Detector(**options), bad) if options else deepcopy(_taught(bad))


def steps(
    detector: Detector, begin: int, ticks: int, observations: Observations, known: Known = ALL
) -> list[Findings]:
    return [detector.step(tick, observations, known) for tick in range(begin, begin + ticks)]


def states(findings: list[Findings]) -> list[list[int]]:
    return [told.state.tolist() for told in findings]


def test_an_edge_that_begins_to_fail_is_found_within_half_a_minute() -> None:
    told = steps(taught(), TAUGHT, 6, seen((EDGE, 30, 100)))
    assert states(told) == [[], [], [State.STARTED], [State.ONGOING], [State.ONGOING], [State.ONGOING]]
    first = told[2]
    assert first.key.tolist() == [EDGE]
    assert SYMPTOMS[int(first.symptom[0])].name == "failed connects"
    assert first.since.tolist() == [TAUGHT * 10]
    assert (first.bad[0], first.total[0], first.share[0]) == pytest.approx((90, 300, 0.3))
    assert first.expected[0] == pytest.approx(0.002)
    assert first.certain.all()


def test_what_always_fails_is_normal() -> None:
    told = steps(taught(30), TAUGHT, 50, seen((EDGE, 30, 100)))
    assert not any(map(len, told))


def test_a_blip_of_two_ticks_is_nothing() -> None:
    detector = taught()
    assert not any(map(len, steps(detector, TAUGHT, 2, seen((EDGE, 100, 100)))))
    assert not any(map(len, steps(detector, TAUGHT + 2, 1, seen((EDGE, 1, 100)))))
    assert not any(map(len, steps(detector, TAUGHT + 3, 30, seen((EDGE, 0, 100)))))


def test_a_few_bad_ones_are_surely_more_only_after_a_while() -> None:
    """8 % of 90 may be the 5 % of a rolling deploy; of 900 they are not."""
    told = steps(taught(), TAUGHT, 18, seen((EDGE, 7, 90)))
    (first,) = (place for place, state in enumerate(states(told)) if state == [State.STARTED])
    assert 6 <= first < 18


def test_a_busy_edge_whose_share_varies_wildly_is_as_it_always_is() -> None:
    chance = np.random.default_rng(3)
    shares = np.minimum(0.1 * chance.gamma(0.5, 2, 1500), 1)
    counts = chance.binomial(20_000, np.concatenate((np.full(10, 0.1), shares)))
    detector = Detector()
    told = [steps(detector, tick, 1, seen((EDGE, bad, 20_000)))[0] for tick, bad in enumerate(counts)]
    assert not any(map(len, told[200:]))


def test_of_the_busiest_edges_whose_shares_leap_hardly_one_has_a_finding() -> None:
    """Each has 200,000 a tick, of which 5 to 40 % are bad, give or take as much."""
    random, detector = np.random.default_rng(8), Detector()
    usual, varies = random.uniform(0.05, 0.4, 100), random.uniform(0.5, 2, 100)
    began = 0
    for tick in range(150):
        shares = np.clip(usual * random.gamma(1 / varies, varies), 0, 1)
        bad = random.binomial(200_000, shares)
        told = detector.step(tick, seen(*((edge, bad[edge], 200_000) for edge in range(100))), ALL)
        began += len(told.of(State.STARTED))
    assert began <= 2


def test_a_new_edge_teaches_before_it_can_be_ill() -> None:
    told = steps(Detector(), 0, 179, seen((EDGE, 1, 1)))
    assert not any(map(len, told))


def test_of_edges_that_are_busy_from_their_first_tick_hardly_one_has_a_finding() -> None:
    """Each has 5,000 a tick, of which a share is bad that varies as much as it is."""
    chance, detector, found = np.random.default_rng(1), Detector(), 0
    usual = 10 ** chance.uniform(-3, -0.7, 400)
    for tick in range(40):
        bad = chance.binomial(5000, np.minimum(usual * chance.gamma(1, 1, 400), 1))
        told = detector.step(tick, seen(*((id_, float(bad[id_]), 5000) for id_ in range(400))), ALL)
        found += len(told.of(State.STARTED))
    assert found <= 1


def test_it_ends_after_two_minutes_of_health() -> None:
    detector = taught()
    steps(detector, TAUGHT, 10, seen((EDGE, 30, 100)))
    told = steps(detector, TAUGHT + 10, 60, seen((EDGE, 0, 100)))
    ends = [number for number, state in enumerate(states(told)) if state == [State.ENDED]]
    assert len(ends) == 1
    assert 12 <= ends[0] <= 20
    assert not any(map(len, told[ends[0] + 1 :]))


def test_a_long_illness_does_not_become_normal_within_an_hour() -> None:
    told = steps(taught(), TAUGHT, 360, seen((EDGE, 30, 100)))
    assert states(told)[-1] == [State.ONGOING]
    assert told[-1].expected[0] < 0.1


@pytest.mark.parametrize("known", [NOTHING, Known(missing=np.array([EDGE], np.uint64))])
@pytest.mark.parametrize("rows", [(), ((EDGE, 0.0, 100.0),), ((EDGE, 100.0, 100.0),)])
def test_without_complete_data_nothing_ends_and_nothing_is_learnt(
    known: Known, rows: tuple[tuple[int, float, float], ...]
) -> None:
    detector = taught()
    steps(detector, TAUGHT, 5, seen((EDGE, 30, 100)))
    before = detector.encode()
    told = steps(detector, TAUGHT + 5, 40, seen(*rows), known)
    assert {tuple(state) for state in states(told)} == {(State.ONGOING,)}
    assert not any(one.certain.any() for one in told)
    assert not any(len(one.event) for one in told)
    assert detector.encode() == before


def test_without_complete_data_nothing_begins() -> None:
    assert not any(map(len, steps(taught(), TAUGHT, 50, seen((EDGE, 100, 100)), NOTHING)))


def test_what_was_not_known_is_counted() -> None:
    ledger = Ledger()
    detector = Detector(ledger=ledger)
    detector.step(0, seen((1, 0, 5), (2, 0, 5)), Known(missing=np.array([2], np.uint64)))
    stage = ledger.stages["detector"]
    assert (stage.received, stage.delivered, dict(stage.dropped)) == (2, 1, {"not_known": 1})
    assert stage.balanced


def test_silence_ends_a_finding_after_an_hour_and_without_certainty() -> None:
    detector = taught()
    steps(detector, TAUGHT, 5, seen((EDGE, 30, 100)))
    told = steps(detector, TAUGHT + 5, 400, seen())
    ended = [one for one in told if len(one.of(State.ENDED))]
    assert len(ended) == 1
    assert not ended[0].certain.any()


def test_a_finding_whose_kind_of_traffic_is_gone_is_not_certain_and_ends_after_an_hour() -> None:
    """The edge has other traffic all the time."""
    detector = taught()
    steps(detector, TAUGHT, 5, seen((EDGE, 30, 100)))
    told = steps(detector, TAUGHT + 5, 400, seen((EDGE, 0, 100), symptom=FAILED + 1))
    assert [one.certain.tolist() for one in told[:7]] == [[True]] * 5 + [[False]] * 2
    (ended,) = [number for number, one in enumerate(told) if len(one.of(State.ENDED))]
    assert ended == 359
    assert not any(map(len, told[360:]))


def test_an_edge_whose_machine_is_not_heard_is_not_silent() -> None:
    detector = taught()
    away = Known(unheard=np.array([EDGE], np.uint64))
    assert not any(len(one.event) for one in steps(detector, TAUGHT, 60, seen(), away))
    after = steps(detector, TAUGHT + 60, 20, seen())
    assert [one.event.tolist() for one in after if len(one.event)] == [[Event.VANISHED]]


def test_trouble_of_an_edge_begins_though_one_of_its_machines_is_not_heard() -> None:
    away = Known(unheard=np.array([EDGE], np.uint64))
    told = steps(taught(), TAUGHT, 3, seen((EDGE, 30, 100)), away)
    assert states(told)[-1] == [State.STARTED]


def test_an_edge_that_falls_silent_and_comes_back_is_an_event() -> None:
    detector = taught()
    quiet = steps(detector, TAUGHT, 100, seen())
    back = detector.step(TAUGHT + 100, seen((EDGE, 0, 100)), ALL)
    assert [one.event.tolist() for one in quiet if len(one.event)] == [[Event.VANISHED]]
    assert back.event.tolist() == [Event.RETURNED]
    assert not any(map(len, [*quiet, back]))


def test_new_edges_and_other_traffic_are_events() -> None:
    detector = taught()
    told = steps(detector, TAUGHT, 12, seen((EDGE, 0, 100), (8, 0, 5), traffic=1e9))
    assert [one.event.tolist() for one in told if len(one.event)] == [[Event.NEW], [Event.MORE]]
    assert not any(map(len, told))


def test_a_restart_goes_on_with_the_same_findings() -> None:
    first = taught(1)
    steps(first, TAUGHT, 2, seen((EDGE, 40, 100)))
    second = Detector()
    assert second.adopt(first.encode()) == 1
    for tick in range(TAUGHT + 2, TAUGHT + 30):
        rows = seen((EDGE, 40 if tick < TAUGHT + 8 else 1, 100))
        told = [detector.step(tick, rows, ALL) for detector in (first, second)]
        for name in ("key", "state", "share", "since", "certain"):
            np.testing.assert_array_equal(*(getattr(one, name) for one in told))


def test_the_worth_of_hours_outlives_a_restart() -> None:
    """Else traffic of an edge would be far off its level."""
    first = Detector()
    for tick in range(1000):
        first.step(tick, seen((EDGE, 0, 100), traffic=1e6 if tick < 360 or tick >= 900 else 1e8), ALL)
    second = Detector()
    second.adopt(first.encode())
    assert second.encode() == first.encode()


def test_state_of_another_owner_joins_and_never_replaces() -> None:
    mine = taught()
    other = Detector()
    steps(other, 0, 50, seen((EDGE, 5, 100), (9, 0, 100)))
    before = mine.encode(np.array([EDGE], np.uint64))
    assert mine.adopt(other.encode()) == 1
    assert mine.encode(np.array([EDGE], np.uint64)) == before
    assert len(mine) == 2


def test_state_goes_by_the_names_of_symptoms() -> None:
    second = Detector(SYMPTOMS[::-1])
    second.adopt(taught(30).encode())
    turned = seen((EDGE, 30, 100), symptom=len(SYMPTOMS) - 1)
    assert not any(map(len, steps(second, TAUGHT, 30, turned)))


def test_state_of_before_is_read() -> None:
    """In version 1 each series had evidence."""
    first = taught(1)
    steps(first, TAUGHT, 2, seen((EDGE, 40, 100)))
    second = Detector()
    edges, nodes, _ = msgpack.unpackb(first.encode())
    second.adopt(msgpack.packb([_version_1(edges), _version_1(nodes)]))
    assert msgpack.unpackb(second.encode())[:2] == [edges, nodes]


def _version_1(data: bytes) -> bytes:
    told = msgpack.unpackb(data)
    places = np.frombuffer(told.pop("doubted"), "<i4")
    series = told.pop("baseline")
    evidence = told.pop("evidence")
    del evidence["unseen"]
    for name, values in evidence.items():
        dense = np.zeros(len(told["ids"]) // 8 * len(SYMPTOMS), EVIDENCE[name])
        dense[places] = np.frombuffer(values, EVIDENCE[name])
        series[name] = dense.tobytes()
    packed: bytes = msgpack.packb({**told, "v": 1, "series": series})
    return packed


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x80", taught().encode()[:-3]])
def test_state_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        Detector().adopt(data)


def test_the_least_recently_active_leave_first_but_for_the_ill() -> None:
    ledger = Ledger()
    detector = taught(limit=3, ledger=ledger)
    steps(detector, TAUGHT, 5, seen((EDGE, 30, 100)))
    for place, id_ in enumerate((20, 21, 22, 23)):
        detector.step(TAUGHT + 5 + place, seen((id_, 0, 10)), ALL)
    assert len(detector) == 3
    kept = detector.step(TAUGHT + 9, seen(), ALL)
    assert kept.key.tolist() == [EDGE]
    assert ledger.stages["detector"].noted["edges_forgotten"] == 2
    assert detector.encode(np.array([22, 23], np.uint64)) != detector.encode(np.zeros(0, np.uint64))


def test_an_edge_takes_at_most_160_bytes() -> None:
    """Of 1,000 edges every tenth has a bad one now and then."""
    chance, detector = np.random.default_rng(1), Detector()
    for tick in range(50):
        bad = chance.random(1000) < 0.1
        detector.step(tick, seen(*((id_, float(bad[id_]), 20) for id_ in range(1000))), ALL)
    assert 140 < detector.nbytes / len(detector) <= 160


def test_an_edge_whose_every_symptom_is_ill_takes_at_most_330_bytes() -> None:
    detector = Detector()
    everything = np.ones((100, len(SYMPTOMS)), np.float32)
    ids = np.arange(100).astype(np.uint64)
    for tick in range(5):
        detector.step(tick, Observations(ids, everything, everything, np.ones(100, np.float32)), ALL)
    assert 160 < detector.nbytes / len(detector) <= 330


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 50), st.integers(0, 50)), max_size=25))
def test_edges_are_judged_as_if_each_were_alone(rows: list[tuple[int, int, int]]) -> None:
    together, alone = Detector(), [Detector() for _ in range(7)]
    for tick, (id_, bad, good) in enumerate(rows):
        row = seen((id_, bad, bad + good))
        for number, detector in enumerate(alone):
            if number == id_:
                detector.step(tick, row, ALL)
        told = together.step(tick, row, ALL)
        assert (told.share <= 1).all()
    for number, detector in enumerate(alone):
        part = together.encode(np.array([number], np.uint64))
        if len(detector):
            assert _series(part) == _series(detector.encode())


def _series(data: bytes) -> bytes:
    """Without traffic, whose hours of the week all edges share, and ticks in which an edge has none."""
    told = msgpack.unpackb(msgpack.unpackb(data)[0])
    del told["evidence"]["unseen"]
    return b"".join((*told["baseline"].values(), told["doubted"], *told["evidence"].values()))


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=1, max_size=6))
def test_seconds_add_up_to_a_tick(seconds: list[list[int]]) -> None:
    parts = [seen(*((id_, 1, 2) for id_ in sorted(ids))) for ids in seconds]
    told = summed(parts)
    counts = np.bincount(np.array([id_ for ids in seconds for id_ in ids], np.int64), minlength=10)
    assert told.ids.tolist() == np.flatnonzero(counts).tolist()
    assert told.bad[:, FAILED].tolist() == counts[counts > 0].tolist()
    assert told.total[:, FAILED].tolist() == (2 * counts[counts > 0]).tolist()
