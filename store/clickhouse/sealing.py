"""What the server makes of a part that is full: its rows in longer steps, exact in sums and counts. Pure.

It may be done again: the same rows have the same names, and of two that have the same name the one that was made of
more stays.
"""

from collections.abc import Iterator

from sinks.clickhouse.tables import quoted
from store.clickhouse.tables import (
    BLOCK_S,
    CHAINS_FULL,
    CHAINS_NEW,
    IDENTITY,
    IN_STEPS,
    PRESENCE_FULL,
    PRESENCE_NEW,
    ServerTable,
)
from store.segments.tables import CHAINS, STEPPED, STEPS, Stepped


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
        for kind in STEPPED:
            for step_s in STEPS[1:]:
                yield self._rolled(kind, step_s)
        yield self._chains()
        yield self._presence()

    def spanned(self) -> str:
        """Asks for the first second and the last of its rows, and how many there are."""
        rows = " UNION ALL ".join(
            f"SELECT begin_s FROM {self._database}.{IN_STEPS[kind.name][1].name} WHERE {self._where}"
            for kind in STEPPED
        )
        return f"SELECT min(begin_s) AS a, max(begin_s) AS b, count() AS c FROM ({rows})"

    def _into(self, table: ServerTable, *columns: str) -> str:
        names = ", ".join(map(quoted, [*columns, *IDENTITY]))
        return f"INSERT INTO {self._database}.{table.name} ({names}) "

    def _rolled(self, kind: Stepped, step_s: int) -> str:
        """By second first: what is active in a second is added, of seconds the most stays."""
        sums, most = kind.named("sum"), [name for name in kind.named("most") if name != "last_s"]
        added = [
            *(f"sum({quoted(name)}) AS s{place}" for place, name in enumerate(sums)),
            *(f"sum({quoted(name)}) AS m{place}" for place, name in enumerate(most)),
            *(
                f"sumMap({quoted(f'{name}.buckets')}, {quoted(f'{name}.counts')}) AS h{place}"
                for place, name in enumerate(kind.measures)
            ),
        ]
        source = f"{self._database}.{IN_STEPS[kind.name][1].name}"
        seconds = (
            f"SELECT {kind.id}, begin_s, intDiv(begin_s, {step_s}) * {step_s} AS step, min(first_s) AS f, "
            f"max(last_s) AS l, {', '.join(added)}, max(number) AS number "
            f"FROM {source} FINAL WHERE {self._where} GROUP BY {kind.id}, begin_s"
        )
        lists = kind.lists(kind.measures)
        picked = [
            f"intDiv(step, {BLOCK_S}), {kind.id}, step, min(f), max(l)",
            *(f"sum(s{place})" for place in range(len(sums))),
            *(f"max(m{place})" for place in range(len(most))),
            *(
                f"tupleElement(sumMap(tupleElement(h{place}, 1), tupleElement(h{place}, 2)), {part})"
                for place in range(len(kind.measures))
                for part in (1, 2)
            ),
            self._identity,
        ]
        names = ["block", *kind.key, "first_s", "last_s", *sums, *most, *lists]
        into = self._into(IN_STEPS[kind.name][step_s], *names)
        return f"{into}SELECT {', '.join(picked)} FROM ({seconds}) GROUP BY {kind.id}, step"

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
