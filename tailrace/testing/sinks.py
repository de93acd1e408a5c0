"""What every sink keeps to, whatever it writes to: a class to derive a test class from."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.kinds import kinds
from model.message import decode
from model.settings import PluginConfig
from model.sink import Sink, check_of
from tailrace.testing.batches import make_batch, make_ledger
from tailrace.testing.deltas import WINDOW

#: What a reader of a sink's output counts: ``rows``, and if it can tell them ``opened``, ``closed`` and ``failed``.
Totals = Counter[str]

#: Names of processes that people can make: blanks, quotes, control characters, invalid UTF-8, 16 bytes.
ODD_TEXTS = (b"", "größe☃".encode(), b"\xff\xfe\x80", b'a"b\\c\n\x1b[2J', b"sixteen-bytes-aa")


class SinkContract:
    """Derive a class from it, set ``sink_class``, and write ``make`` and ``read``.

    The tests run once for each kind of rows that the sink takes (``kind``).
    """

    sink_class: ClassVar[type[Sink]]

    def make(self, output: Any) -> Sink:
        """A sink that writes to ``output``; does no I/O."""
        raise NotImplementedError

    async def read(self, output: Any) -> Totals:
        """What is in ``output`` now, as a reader of it counts."""
        raise NotImplementedError

    @pytest.fixture
    def output(self, tmp_path: Path) -> Any:
        """Where the sink writes: a path of which only the folder exists. Override it to start a server."""
        return tmp_path / "output"

    @pytest.fixture
    def full(self) -> Any:
        """An output that takes no row. Override it to test what the sink raises then."""
        pytest.skip("no output that takes no row: override the fixture full")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test that names ``kind``, once for each kind of rows that the sink takes."""
        if "kind" in metafunc.fixturenames:
            taken = getattr(self.sink_class, "kinds", ())
            every = [kind for kind in kinds() if not taken or kind.name in taken]
            metafunc.parametrize("kind", every, ids=lambda kind: kind.plural)

    def test_it_keeps_the_protocol(self, output: Any) -> None:
        """It has the methods of the contract, and settings that are checked; making it needs no event loop."""
        assert isinstance(self.make(output), Sink)
        assert issubclass(self.sink_class.Config, PluginConfig)
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.convert({"no_such_setting": 1}, self.sink_class.Config)

    def test_its_kinds_exist(self) -> None:
        """A sink that takes only some kinds of rows names kinds that there are."""
        assert set(getattr(self.sink_class, "kinds", ())) <= {kind.name for kind in kinds()}

    def test_open_and_close_alone(self, kind: Kind, output: Any) -> None:
        """A sink that gets no batch opens and closes, and delivers no row."""
        self._run(self._delivers(kind, output))

    def test_close_without_open(self, output: Any) -> None:
        """It lets go of nothing, and raises nothing: the program ends like that when another sink cannot open."""
        asyncio.run(self.make(output).close())

    def test_close_without_flush(self, kind: Kind, output: Any) -> None:
        """The program ended before the rows were safe: close raises nothing."""
        sink = self.make(output)

        async def end() -> None:
            await sink.open([kind])
            await sink.write(make_batch(kind, 10))
            await sink.close()

        self._run(end())

    def test_empty_batch_is_taken(self, kind: Kind, output: Any) -> None:
        """A quiet second delivers no rows, and raises nothing."""
        self._run(self._delivers(kind, output, make_batch(kind, 0)))

    def test_all_rows_are_in_the_output(self, kind: Kind, output: Any) -> None:
        """Ten thousand rows in one batch are all accounted for in what a reader sees."""
        self._run(self._delivers(kind, output, make_batch(kind, 10_000)))

    def test_chunks_add_up(self, kind: Kind, output: Any) -> None:
        """Two seconds that came in several messages each come out whole."""
        seconds = [make_batch(kind, 2500, seed=seq, seq=10 * seq, window=WINDOW + seq) for seq in range(2)]
        chunks = [decode(chunk.encode()) for second in seconds for chunk in second.chunked(1000)]
        assert len(chunks) == 6
        self._run(self._delivers(kind, output, *chunks))

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_any_text_is_taken(self, kind: Kind, output: Any, text: bytes) -> None:
        """Blanks, quotes, control characters or invalid UTF-8 lose no row, and make none of one."""
        self._run(self._delivers(kind, output, make_batch(kind, 3, text=text)))

    def test_a_ledger_is_no_row(self, kind: Kind, output: Any) -> None:
        """What a node says of losses counts as no row."""
        ledger = make_ledger({"ring": {"unit": "events", "dropped": {"full": 3}}})
        ahead = [ledger] if getattr(self.sink_class, "ledgers", False) else []
        self._run(self._delivers(kind, output, *ahead, make_batch(kind, 5)))

    def test_what_was_flushed_is_safe(self, kind: Kind, output: Any) -> None:
        """A reader sees the rows when flush has returned, before the sink is closed; and those of the next flush."""
        batches = [make_batch(kind, 100, seed=seq, seq=seq, window=WINDOW + seq) for seq in range(4)]
        sink = self.make(output)

        async def deliver() -> None:
            await sink.open([kind])
            for done in (2, 4):
                for batch in batches[done - 2 : done]:
                    await sink.write(batch)
                await sink.flush()
                self._compare(await self.read(output), batches[:done])
            await sink.flush()  # nothing was written
            self._compare(await self.read(output), batches)
            await sink.close()

        self._run(deliver())

    def test_a_check_changes_nothing(self, kind: Kind, output: Any) -> None:
        """A sink that can say whether rows would arrive says who answers; rows that come then are all there are."""
        sink = self.make(output)
        check = check_of(sink)
        if check is None:
            pytest.skip("it does not say whether rows would arrive")

        async def ask() -> str:
            try:
                return await check([kind])
            finally:
                await sink.close()

        assert self._run(ask())
        self._run(self._delivers(kind, output, make_batch(kind, 10)))

    def test_failure_is_a_sink_error(self, kind: Kind, full: Any) -> None:
        """An output that takes no row makes write or flush raise a SinkError with a reason, and the sink closes."""
        sink = self.make(full)

        async def fail() -> SinkError:
            await sink.open([kind])
            with pytest.raises(SinkError) as caught:
                await self._write_and_flush(sink, make_batch(kind, 10))
            await sink.close()
            return caught.value

        error: SinkError = self._run(fail())
        assert error.reason
        assert error.lost_rows is None or 0 <= error.lost_rows <= 10

    async def _write_and_flush(self, sink: Sink, batch: Batch) -> None:
        await sink.write(batch)
        await sink.flush()

    async def _delivers(self, kind: Kind, output: Any, *batches: Batch) -> None:
        """The batches, and nothing else, are in the output."""
        sink = self.make(output)
        await sink.open([kind])
        for batch in batches:
            await sink.write(batch)
        await sink.flush()
        await sink.close()
        self._compare(await self.read(output), batches)

    def _compare(self, found: Totals, batches: Any) -> None:
        expected = totals_of(*batches)
        assert "rows" in found or not expected["rows"], "read() has to count rows"
        assert {name: expected[name] for name in found} == dict(found)

    def _run(self, work: Any) -> Any:
        return asyncio.run(work)


def totals_of(*batches: Batch) -> Totals:
    """What a reader of these batches counts."""
    totals = Totals(rows=sum(map(len, batches)))
    for batch in batches:
        if traffic := batch.kind.traffic:
            for life in ("opened", "closed", "failed"):
                totals[life] += int(traffic.lives(batch.columns, life).sum())
    return totals
