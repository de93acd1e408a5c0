"""What the server makes of a part that is full: its rows in longer steps, exact in sums and counts. Pure.

It may be done again: the same rows have the same names, and of two that have the same name the one that was made of
more stays.
"""

from collections.abc import Iterator
from typing import Final

from model.kinds.workload import MEASURES
from sinks.clickhouse.tables import quoted
from store.clickhouse.tables import (
    BLOCK_S,
    CHAINS_FULL,
    CHAINS_NEW,
    EDGE_ROWS,
    IDENTITY,
    PRESENCE_FULL,
    PRESENCE_NEW,
    ServerTable,
)
from store.measures import MOST, SUMS
from store.segments.tables import CHAINS, STEPS

#: Expressions over rows of a part, aliased by their place.
_SUMS: Final = [f"sum({quoted(name)}) AS s{place}" for place, name in enumerate(SUMS)]
_ACTIVE: Final = [f"sum({quoted(name)}) AS m{place}" for place, name in enumerate(MOST)]
_LISTS: Final = [
    f"sumMap({quoted(f'{name}.buckets')}, {quoted(f'{name}.counts')}) AS h{place}"
    for place, name in enumerate(MEASURES)
]


class Part:
    """One part.

    :param written_s: when it was begun: its rows of all steps are of this time.
    """

    def __init__(self, database: str, writer: int, part: int, written_s: int) -> None:
        self._database = database
        self._identity = f"toUInt64({writer}), toUInt32({part}), max(number), toDateTime({written_s})"
        self._where = f"writer = {writer} AND part = {part} AND written = toDateTime({written_s})"

    def statements(self) -> Iterator[str]:
        """That make the longer steps of all its rows."""
        for step_s in STEPS[1:]:
            yield self._edges(step_s)
        yield self._chains()
        yield self._presence()

    def spanned(self) -> str:
        """Asks for the first second and the last of its rows, and how many there are."""
        source = f"{self._database}.{EDGE_ROWS[1].name}"
        return f"SELECT min(begin_s) AS a, max(begin_s) AS b, count() AS c FROM {source} WHERE {self._where}"

    def _into(self, table: ServerTable, *columns: str) -> str:
        names = ", ".join(map(quoted, [*columns, *IDENTITY]))
        return f"INSERT INTO {self._database}.{table.name} ({names}) "

    def _edges(self, step_s: int) -> str:
        """By second first: what is active in a second is added, of seconds the most stays."""
        seconds = (
            f"SELECT edge, begin_s, intDiv(begin_s, {step_s}) * {step_s} AS step, min(first_s) AS f, "
            f"max(last_s) AS l, {', '.join([*_SUMS, *_ACTIVE, *_LISTS])}, max(number) AS number "
            f"FROM {self._database}.{EDGE_ROWS[1].name} FINAL WHERE {self._where} GROUP BY edge, begin_s"
        )
        names = [
            *("block", "edge", "begin_s", "first_s", "last_s", *SUMS, *MOST),
            *(f"{name}.{part}" for name in MEASURES for part in ("buckets", "counts")),
        ]
        picked = [
            f"intDiv(step, {BLOCK_S}), edge, step, min(f), max(l)",
            *(f"sum(s{place})" for place in range(len(SUMS))),
            *(f"max(m{place})" for place in range(len(MOST))),
            *(
                f"tupleElement(sumMap(tupleElement(h{place}, 1), tupleElement(h{place}, 2)), {part})"
                for place in range(len(MEASURES))
                for part in (1, 2)
            ),
            self._identity,
        ]
        into = self._into(EDGE_ROWS[step_s], *names)
        return f"{into}SELECT {', '.join(picked)} FROM ({seconds}) GROUP BY edge, step"

    def _chains(self) -> str:
        sums = CHAINS.named("sum")
        picked = ", ".join(f"sum({name})" for name in sums)
        return (
            self._into(CHAINS_FULL, "edge", "way", "begin_s", "first_s", "last_s", *sums)
            + f"SELECT edge, way, begin_s, min(first_s), max(last_s), {picked}, {self._identity} "
            f"FROM {self._database}.{CHAINS_NEW.name} FINAL WHERE {self._where} GROUP BY edge, way, begin_s"
        )

    def _presence(self) -> str:
        return (
            self._into(PRESENCE_FULL, "node", "begin_s", "seconds")
            + f"SELECT node, begin_s, groupBitOr(seconds), {self._identity} "
            f"FROM {self._database}.{PRESENCE_NEW.name} WHERE {self._where} GROUP BY node, begin_s"
        )
