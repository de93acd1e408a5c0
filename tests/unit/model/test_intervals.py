"""The memory of enrichers, against a list that is searched from end to end."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from model.enricher import OPEN, Entity, Identity, KeyKind
from model.intervals import Intervals

LIMIT, PER_KEY = 8, 4

times = st.integers(0, 12)
keys = st.tuples(st.sampled_from([KeyKind.ADDRESS, KeyKind.PROCESS]), st.sampled_from(["10.0.0.1", "7"]))
entities = st.sampled_from([{"k8s.pod.name": name} for name in "abc"])


class NaiveIntervals:
    """The same by the letter of the contract."""

    def __init__(self) -> None:
        self.all: list[Identity] = []
        self.evicted = 0

    def of(self, key: tuple[KeyKind, str]) -> list[Identity]:
        return [one for one in self.all if (one.kind, one.value) == key]

    def add(self, new: Identity) -> None:
        key = (new.kind, new.value)
        self.all = [one for one in self.all if one not in self.of(key) or one.begin_ns != new.begin_ns]
        self.all.append(new)
        if len(self.of(key)) > PER_KEY:
            self.evict(self.of(key))
        if len(self.all) > LIMIT:
            self.evict(self.all)

    def evict(self, among: list[Identity]) -> None:
        self.all.remove(min(among, key=lambda one: (one.end_ns, one.begin_ns, one.kind, one.value)))
        self.evicted += 1

    def lookup(self, key: tuple[KeyKind, str], at_ns: int) -> Entity | None:
        there = [one for one in self.of(key) if one.begin_ns <= at_ns < one.end_ns]
        return max(there, key=lambda one: one.begin_ns).entity if there else None


class IntervalsMachine(RuleBasedStateMachine):
    """Whatever is added and ended, in whatever order, both give the same answers at all times."""

    def __init__(self) -> None:
        super().__init__()
        self.naive = NaiveIntervals()
        self.intervals = Intervals(LIMIT, PER_KEY)

    @rule(key=keys, entity=entities, begin=times, length=st.none() | st.integers(0, 6))
    def add(self, key: tuple[KeyKind, str], entity: Entity, begin: int, length: int | None) -> None:
        end = OPEN if length is None else begin + length
        self.naive.add(Identity(*key, begin, end, entity))
        self.intervals.add(*key, entity, begin, end)

    @rule(key=keys, end=times, begin=st.none() | times)
    def end(self, key: tuple[KeyKind, str], end: int, begin: int | None) -> None:
        for place, one in enumerate(self.naive.all):
            wanted = one.end_ns == OPEN if begin is None else one.begin_ns == begin
            if wanted and (one.kind, one.value) == key:
                self.naive.all[place] = replace(one, end_ns=end)
        self.intervals.end(*key, end, begin)

    @rule(key=keys, at=times)
    def lookup(self, key: tuple[KeyKind, str], at: int) -> None:
        assert self.intervals.lookup(*key, at) == self.naive.lookup(key, at)

    @rule(kind=st.sampled_from([KeyKind.ADDRESS, KeyKind.PROCESS]))
    def held(self, kind: KeyKind) -> None:
        wanted = [one for one in self.naive.all if one.kind is kind and one.end_ns == OPEN]
        found = self.intervals.held(kind)
        assert sorted(map(repr, found)) == sorted(map(repr, wanted))

    @invariant()
    def counts_agree(self) -> None:
        statistics = self.intervals.statistics(0)
        assert (statistics.entries, statistics.evicted) == (len(self.naive.all), self.naive.evicted)
        assert len(self.intervals) == len(self.naive.all) <= LIMIT


TestIntervals = IntervalsMachine.TestCase
TestIntervals.settings = settings(deadline=None)  # the machine may be busy


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=60))
def test_version_grows_with_every_change(spans: list[tuple[int, int]]) -> None:
    """An answer that differs from the one before has another version; adding the same again changes none."""
    intervals = Intervals(LIMIT, PER_KEY)
    for begin, length in spans:
        before, version = intervals.find(KeyKind.NODE, "n", 20), intervals.version
        for _ in range(2):
            intervals.add(KeyKind.NODE, "n", {"host.id": str(length)}, begin, begin + length)
        assert intervals.find(KeyKind.NODE, "n", 20) == before or intervals.version > version
    intervals.add(KeyKind.NODE, "n", {"host.id": "1"}, 100)
    version = intervals.version
    intervals.add(KeyKind.NODE, "n", {"host.id": "1"}, 100)
    assert intervals.version == version


def test_address_goes_from_one_to_the_next() -> None:
    """Each second is answered with who had the address then, and a gap with nobody."""
    intervals = Intervals()
    intervals.add(KeyKind.ADDRESS, "10.1.0.5", {"k8s.pod.name": "old"}, 10, 20)
    intervals.add(KeyKind.ADDRESS, "10.1.0.5", {"k8s.pod.name": "new"}, 30)
    found = {at: intervals.lookup(KeyKind.ADDRESS, "10.1.0.5", at) for at in (9, 10, 19, 20, 29, 30, 99)}
    names = {at: entity and entity["k8s.pod.name"] for at, entity in found.items()}
    assert names == {9: None, 10: "old", 19: "old", 20: None, 29: None, 30: "new", 99: "new"}


def test_answers_of_an_absent_source_are_stale() -> None:
    """Hits, misses and stale answers are counted apart; the age is passed on."""
    intervals = Intervals()
    intervals.add(KeyKind.CONTAINER, "c0", {"container.name": "web"}, 0)
    intervals.lookup(KeyKind.CONTAINER, "c0", 5)
    intervals.away = True
    intervals.lookup(KeyKind.CONTAINER, "c0", 6)
    intervals.lookup(KeyKind.CONTAINER, "c1", 6)
    statistics = intervals.statistics(1.5)
    assert (statistics.hits, statistics.misses, statistics.stale) == (2, 1, 1)
    assert statistics.age_seconds == 1.5


def test_what_ended_first_makes_room_and_is_counted() -> None:
    """At the limit those that ended go first, in the order of their ends; then those that began first."""
    intervals = Intervals(limit=3)
    for name, begin, end in (("late", 0, 9), ("early", 1, 5), ("open", 2, OPEN)):
        intervals.add(KeyKind.NODE, name, {"host.name": name}, begin, end)
    for number in range(3):
        intervals.add(KeyKind.NODE, f"new{number}", {}, 10 + number)
    left = [name for name in ("late", "early", "open", "new0") if intervals.find(KeyKind.NODE, name, 4)]
    assert left == []
    assert [one.value for one in intervals.held(KeyKind.NODE)] == ["new0", "new1", "new2"]
    assert intervals.statistics(0).evicted == 3


def test_memory_stays_bounded_when_ends_are_corrected() -> None:
    """An identity whose end is moved a thousand times takes no more room than one."""
    intervals = Intervals(limit=4)
    intervals.add(KeyKind.NODE, "n", {}, 0)
    for end in range(1, 1000):
        intervals.end(KeyKind.NODE, "n", end, 0)
    assert len(intervals._oldest) <= 2 * len(intervals) + intervals._per_key
