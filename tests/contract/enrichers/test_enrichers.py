"""What every enricher keeps to, whatever it knows and from wherever."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.enricher import Enricher, KeyKind
from tests.contract.enrichers.cases import CASES, ENTRIES, EnricherCase

#: Wall clock, ns.
NOW: Final = 1_700_000_000_000_000_000
SECOND: Final = 1_000_000_000


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> EnricherCase:
    """Each enricher in turn."""
    found: EnricherCase = request.param
    return found


@pytest.fixture
async def enricher(case: EnricherCase, tmp_path: Path) -> AsyncIterator[Enricher]:
    """One that was started while its source is away."""
    made = case.make(tmp_path)
    await made.start("node-1")
    yield made
    await made.close()


def teach(case: EnricherCase, enricher: Enricher, number: int, at_ns: int) -> None:
    if case.teach is None:
        pytest.skip("it is taught by its source alone")
    case.teach(enricher, number, at_ns)


def test_it_keeps_the_protocol(case: EnricherCase, tmp_path: Path) -> None:
    """Name, kinds, version, and methods; making it needs no loop and no source."""
    enricher = case.make(tmp_path)
    assert isinstance(enricher, Enricher)
    assert enricher.name == case.name
    assert case.key(0)[0] in enricher.kinds
    assert enricher.version >= 0


async def test_it_starts_and_closes_while_the_source_is_away(case: EnricherCase, tmp_path: Path) -> None:
    """Both return at once, and no task stays behind, nor a complaint about one."""
    before = asyncio.all_tasks()
    enricher = case.make(tmp_path)
    begin = time.monotonic()
    await enricher.start("node-1")
    assert time.monotonic() - begin < 1
    await asyncio.sleep(0.1)  # time to find out that nobody is there
    await enricher.close()
    assert asyncio.all_tasks() == before


async def test_it_closes_although_it_never_started(case: EnricherCase, tmp_path: Path) -> None:
    """As after the start of another one failed; no task is left, and look-ups still answer without raising."""
    before, enricher = asyncio.all_tasks(), case.make(tmp_path)
    await enricher.close()
    assert asyncio.all_tasks() == before
    answered = enricher.statistics()
    enricher.lookup(*case.key(0), NOW)
    asked = enricher.statistics()
    assert asked.hits + asked.misses == answered.hits + answered.misses + 1


async def test_a_lookup_waits_for_nothing(case: EnricherCase, enricher: Enricher) -> None:
    """It is no coroutine, and a thousand of them take no time that a loop would notice."""
    assert not inspect.iscoroutinefunction(enricher.lookup)
    begin = time.process_time()
    for number in range(1000):
        answer = enricher.lookup(*case.key(number), NOW)
        assert not inspect.isawaitable(answer)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize("kind", list(KeyKind))
async def test_odd_keys_are_nobody(enricher: Enricher, kind: KeyKind) -> None:
    """Of whatever kind, and however they are written, they raise nothing."""
    for value in ("", "\0", "☃" * 1000, "-1", "1e9", "٣", "0" * 10_000, "10.0.0.256", "fe80::1%eth0", "/"):
        for at_ns in (-1, 0, NOW, 1 << 70):
            entity = enricher.lookup(kind, value, at_ns)
            assert entity is None or all(isinstance(text, str) for text in entity.values())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KeyKind), value=st.text(), at_ns=st.integers(-(1 << 63), 1 << 64))
def test_any_key_is_taken(case: EnricherCase, tmp_path: Path, kind: KeyKind, value: str, at_ns: int) -> None:
    """No key raises, before it was started either."""
    case.make(tmp_path).lookup(kind, value, at_ns)


async def test_statistics_add_up(case: EnricherCase, enricher: Enricher) -> None:
    """Every look-up is a hit or a miss; what is stale was a hit; the age is never negative."""
    if case.teach:
        case.teach(enricher, 1, NOW - SECOND)
    before = enricher.statistics()
    answers = [enricher.lookup(*case.key(number), NOW) for number in range(50)]
    after = enricher.statistics()
    hits = sum(answer is not None for answer in answers)
    assert (after.hits - before.hits, after.misses - before.misses) == (hits, 50 - hits)
    assert 0 <= after.stale - before.stale <= hits
    assert after.age_seconds >= 0
    assert (after.entries > 0) == (hits > 0)


async def test_a_flood_of_keys_is_bounded(case: EnricherCase, enricher: Enricher) -> None:
    """However many are taught or asked for, so many are kept; the others are counted as evicted."""
    for number in range(20 * ENTRIES):
        if case.teach:
            case.teach(enricher, number, NOW + number)
        enricher.lookup(*case.key(number), NOW + number)
    statistics = enricher.statistics()
    assert statistics.entries <= ENTRIES
    if case.teach:
        assert statistics.entries + statistics.evicted == 20 * ENTRIES


async def test_an_identity_holds_from_its_beginning(case: EnricherCase, enricher: Enricher) -> None:
    """Before, the key was nobody's, or another's; of two the one that began last counts."""
    teach(case, enricher, 3, NOW)
    assert enricher.lookup(*case.key(3), NOW - 1) is None
    first = enricher.lookup(*case.key(3), NOW)
    assert first
    teach(case, enricher, 3, NOW + 10 * SECOND)
    assert enricher.lookup(*case.key(3), NOW + 9 * SECOND) == first
    assert enricher.lookup(*case.key(3), NOW + 10 * SECOND)


async def test_a_timeless_answer_holds_always(case: EnricherCase, enricher: Enricher) -> None:
    """What is configured held at all times."""
    if not case.timeless:
        pytest.skip("its answers have a beginning")
    answers = [enricher.lookup(*case.key(0), at_ns) for at_ns in (0, NOW, NOW + 3600 * SECOND)]
    assert answers[0]
    assert answers == [answers[0]] * 3


async def test_the_version_grows_when_an_answer_changes(case: EnricherCase, enricher: Enricher) -> None:
    """Who was asked for in vain and is found, is worth asking for again."""
    assert case.teach is None or enricher.lookup(*case.key(7), NOW + SECOND) is None
    version = enricher.version
    teach(case, enricher, 7, NOW)
    assert enricher.lookup(*case.key(7), NOW + SECOND)
    assert enricher.version > version


async def test_answers_stay_while_the_source_is_away(case: EnricherCase, enricher: Enricher) -> None:
    """They are counted as stale."""
    teach(case, enricher, 5, NOW)
    await asyncio.sleep(0.1)
    before = enricher.statistics().stale
    assert enricher.lookup(*case.key(5), NOW + SECOND)
    assert enricher.statistics().stale == before + 1
