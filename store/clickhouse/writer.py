"""The writing side: batches in, frames out as inserts, and full parts sealed by the server."""

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, cast

import numpy as np

from model.batch import Batch
from model.errors import SinkError
from sinks.clickhouse.tables import TOKENS_SINCE, quoted
from store.clickhouse.inserts import Ends, Insert, Place, inserts_of, texts_of
from store.clickhouse.link import Line
from store.clickhouse.native import block_of, table_in
from store.clickhouse.preparing import prepare, refuse_newer_tables
from store.clickhouse.sealing import Part
from store.clickhouse.tables import PARTS, SLACK_S, WRITERS, ServerTable
from store.ids import text_id
from store.segments.columns import Lists, Table
from store.segments.frames import Frame, Source
from store.segments.intake import Intake
from store.segments.sealer import SOURCES

#: Seconds after which a part is full.
PART_S: Final = 60
#: Parts after which a writer names again what its ids stand for.
NAMING_PARTS: Final = 60
#: Seconds after which a part whose writer says nothing is sealed by another.
ORPHAN_S: Final = SLACK_S // 2


class ServerWriter:
    """Writes to the tables of a server, as one of any number.

    :param keep_s: step in seconds -> seconds for which its rows are kept.
    :param clock: the wall clock, in seconds.
    :ivar duplicates: batches that came twice, so far.
    :ivar failures: attempts to seal a part that failed.
    """

    def __init__(
        self,
        line: Line,
        database: str,
        keep_s: Mapping[int, int],
        clock: Callable[[], float] = time.time,
        part_s: int = PART_S,
    ) -> None:
        self.failures = 0
        self.sealed = 0
        self._line = line
        self._database = database
        self._keep_s = dict(keep_s)
        self._clock = clock
        self._part_s = part_s
        boot = str(uuid.uuid4())
        self._boot, self._writer = boot, text_id((boot,))
        self._tokens = False
        self._intake = Intake(boot, {})
        self._marks: dict[Source, int] = {}
        self._ends = Ends()
        self._place = Place(self._writer, 0, 0, 0)
        self._open = False  # whether the server knows of the part
        self._inserts: deque[Insert] = deque()
        self._full: deque[Place] = deque()

    async def open(self) -> None:
        """Make the tables, read what came before, and seal what writers that died left.

        :raises SinkError: if the server is not there or refuses this user.
        :raises TailraceError: if its tables are of a newer version.
        """
        await self._line.open()
        version = await prepare(self._line, self._database, self._keep_s)
        self._tokens = version >= TOKENS_SINCE
        known = await self._ask(f"SELECT sources, seqs, newest_s, complete_s FROM {self._of(WRITERS)} FINAL")
        marks = _marks_in(known)
        newest, complete = (
            int(cast(np.ndarray, known[name]).max(initial=0)) if known else 0
            for name in ("newest_s", "complete_s")
        )
        self._intake = Intake(self._boot, marks, newest, complete)
        self._full.extend(await self._orphans())
        await self._seal()

    async def check(self) -> str:
        """Who answers; nothing is made. Raises as ``open`` does."""
        await self._line.open()
        await refuse_newer_tables(self._line, self._database)
        return f"{self._line.target}: version {await self._line.run('SELECT version()')}"

    def take(self, batch: Batch) -> None:
        """Take a batch; it is safe after ``sync``. One that came before is left aside."""
        self._intake.take(batch)

    async def sync(self) -> None:
        """Insert what was taken; after a failure the rest of it.

        :raises SinkError: retryable if the server is away, slow or full.
        """
        if not self._inserts:
            if self._intake.is_empty:
                return
            self._inserts.extend(self._next(self._intake.frame()))
        while self._inserts:
            await self._insert(self._inserts[0])
            self._inserts.popleft()
        self._open = True
        self._intake.written()
        if not 0 <= self._clock() - self._place.written_s < self._part_s:
            self.rotate()
            await self.adopt()
        await self._seal()

    def lost(self, reason: str, rows: int) -> None:
        """Give up what is not inserted yet, and note that its rows were lost."""
        if self._inserts and not self._open:
            self._full.append(self._place)  # the server may know of it
        self._inserts.clear()
        self._ends = Ends()
        self._intake.lose(reason, rows)

    def rotate(self) -> None:
        """Begin another part; this one is to be sealed."""
        if self._open:
            self._full.append(self._place)
        self._open = False
        if self._place.part % NAMING_PARTS == 0:
            self._ends = Ends()
            self._intake.renew()

    async def seal(self) -> None:
        """Seal the part that is written, at the end."""
        self.rotate()
        await self._seal()

    async def close(self) -> None:
        """Seal what is written and let go; a part that cannot be sealed now is, by another writer, after an hour."""
        with contextlib.suppress(SinkError):
            await self.seal()
        await self._line.close()

    async def adopt(self) -> None:
        """Have parts sealed whose writers have been silent for long; what fails is done with the next part."""
        try:
            self._full.extend(await self._orphans())
        except SinkError:
            self.failures += 1

    async def _orphans(self) -> list[Place]:
        """Parts that were begun long ago, and are not sealed."""
        silent = f"written < toDateTime({int(self._clock()) - ORPHAN_S}) AND writer != {self._writer}"
        query = f"SELECT writer, part, rank, toUnixTimestamp(written) AS at FROM {self._of(PARTS)} FINAL"
        found = await self._ask(f"{query} WHERE sealed = 0 AND {silent}")
        if not found:
            return []
        columns = (cast(np.ndarray, found[name]).tolist() for name in ("writer", "part", "rank", "at"))
        return [Place(writer, part, rank // 2, at) for writer, part, rank, at in zip(*columns, strict=True)]

    @property
    def duplicates(self) -> int:
        """Batches that came twice, so far."""
        return self._intake.duplicates

    def _next(self, frame: Frame) -> list[Insert]:
        """All that a frame inserts; the part is begun before, and what came is noted after."""
        place = self._place
        found = []
        if not self._open:
            place = place._replace(part=place.part + 1, written_s=int(self._clock()))
        self._place = place = place._replace(frame=place.frame + 1)
        if not self._open:
            found.append(Insert(PARTS, self._part_row(place, 0, 0, 0)))
        self._marks |= frame.marks
        self._marks = dict(list(self._marks.items())[-SOURCES:])
        found += inserts_of(frame, place, self._ends)
        return [*found, Insert(WRITERS, self._state_row(frame, place))]

    async def _insert(self, insert: Insert) -> None:
        table = insert.table
        names = ", ".join(map(quoted, table.types))
        place = self._place
        token = f"{place.writer}-{place.part}-{place.frame}-{table.name}" if self._tokens else ""
        statement = f"INSERT INTO {self._of(table)} ({names}) FORMAT Native"
        await self._line.insert(statement, block_of(table.types, insert.rows), token)

    async def _seal(self) -> None:
        """Have the server make longer steps of full parts; what fails is done with the next frame."""
        while self._full:
            try:
                await self._sealed(self._full[0])
            except SinkError:
                self.failures += 1
                return
            self._full.popleft()
            self.sealed += 1

    async def _sealed(self, place: Place) -> None:
        part = Part(self._database, place.writer, place.part, place.written_s)
        for statement in part.statements():
            await self._line.run(statement)
        found = await self._ask(part.spanned())
        first, last, held = (int(cast(np.ndarray, found[name])[0]) for name in ("a", "b", "c"))
        row = self._part_row(place, 1, first, last + 1 if held else 0)
        statement = f"INSERT INTO {self._of(PARTS)} FORMAT Native"
        await self._line.insert(statement, block_of(PARTS.types, row))

    def _part_row(self, place: Place, sealed: int, begin_s: int, end_s: int) -> Table:
        values = {
            "writer": place.writer,
            "part": place.part,
            "sealed": sealed,
            "begin_s": begin_s,
            "end_s": end_s,
            "rank": place.frame * 2 + sealed,
            **{f"keep_{step}s": seconds for step, seconds in self._keep_s.items()},
            "written": place.written_s,
        }
        return {name: np.array([value]) for name, value in values.items()}

    def _state_row(self, frame: Frame, place: Place) -> Table:
        return {
            "writer": np.array([place.writer], np.uint64),
            "newest_s": np.array([frame.newest_s]),
            "complete_s": np.array([frame.complete_s]),
            "number": np.array([place.number], np.uint64),
            "sources": texts_of([["\0".join(source) for source in self._marks]]),
            "seqs": Lists(np.array([0, len(self._marks)]), np.array(list(self._marks.values()), np.int64)),
            "written": np.array([place.written_s]),
        }

    async def _ask(self, statement: str) -> dict[str, object]:
        return dict(table_in(await self._line.ask(f"{statement} FORMAT Native")))

    def _of(self, table: ServerTable) -> str:
        return f"{self._database}.{table.name}"


def _marks_in(known: Mapping[str, object]) -> dict[Source, int]:
    """The newest batch of each source, of all writers."""
    marks: dict[Source, int] = {}
    if not known:
        return marks
    sources, seqs = cast(Lists, known["sources"]), cast(Lists, known["seqs"])
    for text, seq in zip(sources.values, cast(np.ndarray, seqs.values).tolist(), strict=True):
        kind, node, boot = str(text).split("\0")
        marks[kind, node, boot] = max(seq, marks.get((kind, node, boot), -1))
    return marks
