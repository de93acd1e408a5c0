"""What every enricher keeps to, whatever it knows and from wherever: a class to derive a test class from."""

import asyncio
import inspect
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import pytest

from model.enricher import Enricher, KeyKind
from model.settings import PluginConfig

#: Wall clock, ns.
NOW: Final = 1_700_000_000_000_000_000
SECOND: Final = 1_000_000_000

_ODD_KEYS: Final = ("", "\0", "☃" * 1000, "-1", "1e9", "٣", "0" * 10_000, "10.0.0.256", "fe80::1%eth0", "/")
_ODD_TIMES: Final = (-1, 0, NOW, 1 << 70)


class EnricherContract:
    """Derive a class from it, set ``enricher_class``, and write ``make`` and ``key``.

    :cvar limit: identities that the enricher of ``make`` may keep at most.
    :cvar timeless: whether an answer holds at all times.
    """

    enricher_class: ClassVar[type[Enricher]]
    limit: ClassVar[int] = 64
    timeless: ClassVar[bool] = False

    def make(self, folder: Path) -> Enricher:
        """An enricher whose source is away: its socket, file or server is below the folder, where there is none.

        One that is ``timeless`` has what it knows; its source may be there.
        """
        raise NotImplementedError

    def key(self, number: int) -> tuple[KeyKind, str]:
        """The n-th key, as it is taught and asked for."""
        raise NotImplementedError

    def teach(self, enricher: Any, number: int, at_ns: int) -> None:
        """Make the n-th key known from a time on (wall clock, ns), as the source would."""
        pytest.skip("it is taught by its source alone")

    @property
    def teachable(self) -> bool:
        """Whether ``teach`` is written."""
        return type(self).teach is not EnricherContract.teach

    def test_it_keeps_the_protocol(self, tmp_path: Path) -> None:
        """Name, kinds, version, methods, and settings that are checked; making it needs no loop and no source."""
        enricher = self.make(tmp_path)
        assert isinstance(enricher, Enricher)
        assert self.key(0)[0] in enricher.kinds
        assert enricher.version >= 0
        assert issubclass(self.enricher_class.Config, PluginConfig)
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.convert({"no_such_setting": 1}, self.enricher_class.Config)

    def test_it_starts_and_closes_while_the_source_is_away(self, tmp_path: Path) -> None:
        """Both return at once, and no task stays behind."""

        async def live() -> None:
            before = asyncio.all_tasks()
            enricher = self.make(tmp_path)
            begin = time.monotonic()
            await enricher.start("node-1")
            assert time.monotonic() - begin < 1
            await asyncio.sleep(0.1)  # time to find out that nobody is there
            await enricher.close()
            assert asyncio.all_tasks() == before

        asyncio.run(live())

    def test_it_closes_although_it_never_started(self, tmp_path: Path) -> None:
        """As after the start of another one failed; no task is left, and look-ups still answer and count."""

        async def close() -> Enricher:
            before, enricher = asyncio.all_tasks(), self.make(tmp_path)
            await enricher.close()
            assert asyncio.all_tasks() == before
            return enricher

        enricher = asyncio.run(close())
        answered = enricher.statistics()
        enricher.lookup(*self.key(0), NOW)
        asked = enricher.statistics()
        assert asked.hits + asked.misses == answered.hits + answered.misses + 1

    def test_a_lookup_waits_for_nothing(self, tmp_path: Path) -> None:
        """It is no coroutine, and a thousand of them take no time that a loop would notice."""

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                assert not inspect.iscoroutinefunction(enricher.lookup)
                begin = time.process_time()
                for number in range(1000):
                    assert not inspect.isawaitable(enricher.lookup(*self.key(number), NOW))
                assert time.process_time() - begin < 0.5

        asyncio.run(ask())

    @pytest.mark.parametrize("kind", list(KeyKind))
    def test_odd_keys_are_nobody(self, tmp_path: Path, kind: KeyKind) -> None:
        """Of whatever kind, and however they are written, they raise nothing."""

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                for value in _ODD_KEYS:
                    for at_ns in _ODD_TIMES:
                        entity = enricher.lookup(kind, value, at_ns)
                        assert entity is None or all(isinstance(text, str) for text in entity.values())

        asyncio.run(ask())

    def test_any_key_is_taken(self, tmp_path: Path) -> None:
        """No key raises, before it was started either."""
        chance, enricher = random.Random(0), self.make(tmp_path)
        for _ in range(300):
            letters = [
                chr(chance.choice((chance.randrange(128), chance.randrange(0xD800)))) for _ in range(9)
            ]
            at_ns = chance.randrange(-(1 << 63), 1 << 64)
            enricher.lookup(chance.choice(list(KeyKind)), "".join(letters[: chance.randrange(10)]), at_ns)

    def test_statistics_add_up(self, tmp_path: Path) -> None:
        """Every look-up is a hit or a miss; what is stale was a hit; the age is never negative."""

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                if self.teachable:
                    self.teach(enricher, 1, NOW - SECOND)
                before = enricher.statistics()
                answers = [enricher.lookup(*self.key(number), NOW) for number in range(50)]
                after = enricher.statistics()
                hits = sum(answer is not None for answer in answers)
                assert (after.hits - before.hits, after.misses - before.misses) == (hits, 50 - hits)
                assert 0 <= after.stale - before.stale <= hits
                assert after.age_seconds >= 0
                assert (after.entries > 0) == (hits > 0)

        asyncio.run(ask())

    def test_a_flood_of_keys_is_bounded(self, tmp_path: Path) -> None:
        """However many are taught or asked for, so many are kept; the others are counted as evicted."""

        async def flood() -> None:
            async with self._started(tmp_path) as enricher:
                for number in range(20 * self.limit):
                    if self.teachable:
                        self.teach(enricher, number, NOW + number)
                    enricher.lookup(*self.key(number), NOW + number)
                statistics = enricher.statistics()
                assert statistics.entries <= self.limit
                if self.teachable:
                    assert statistics.entries + statistics.evicted == 20 * self.limit

        asyncio.run(flood())

    def test_an_identity_holds_from_its_beginning(self, tmp_path: Path) -> None:
        """Before, the key was nobody's, or another's; of two the one that began last counts."""

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                self.teach(enricher, 3, NOW)
                assert enricher.lookup(*self.key(3), NOW - 1) is None
                first = enricher.lookup(*self.key(3), NOW)
                assert first
                self.teach(enricher, 3, NOW + 10 * SECOND)
                assert enricher.lookup(*self.key(3), NOW + 9 * SECOND) == first
                assert enricher.lookup(*self.key(3), NOW + 10 * SECOND)

        asyncio.run(ask())

    def test_a_timeless_answer_holds_always(self, tmp_path: Path) -> None:
        """What is configured held at all times."""
        if not self.timeless:
            pytest.skip("its answers have a beginning")

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                times = (0, NOW, NOW + 3600 * SECOND)
                answers = [enricher.lookup(*self.key(0), at_ns) for at_ns in times]
                assert answers[0]
                assert answers == [answers[0]] * 3

        asyncio.run(ask())

    def test_the_version_grows_when_an_answer_changes(self, tmp_path: Path) -> None:
        """Who was asked for in vain and is found, is worth asking for again."""

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                assert not self.teachable or enricher.lookup(*self.key(7), NOW + SECOND) is None
                version = enricher.version
                self.teach(enricher, 7, NOW)
                assert enricher.lookup(*self.key(7), NOW + SECOND)
                assert enricher.version > version

        asyncio.run(ask())

    def test_answers_stay_while_the_source_is_away(self, tmp_path: Path) -> None:
        """They are counted as stale."""

        async def ask() -> None:
            async with self._started(tmp_path) as enricher:
                self.teach(enricher, 5, NOW)
                await asyncio.sleep(0.1)
                before = enricher.statistics().stale
                assert enricher.lookup(*self.key(5), NOW + SECOND)
                assert enricher.statistics().stale == before + 1

        asyncio.run(ask())

    @asynccontextmanager
    async def _started(self, folder: Path) -> AsyncIterator[Enricher]:
        """One that was started while its source is away."""
        enricher = self.make(folder)
        await enricher.start("node-1")
        try:
            yield enricher
        finally:
            await enricher.close()
