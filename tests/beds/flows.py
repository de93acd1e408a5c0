"""The flows that Tailrace wrote: rows of a JSON-lines file, put together by connection."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.beds.truth import Ends

Row = dict[str, Any]


def ends(row: Row, source: str, destination: str) -> Ends:
    """From ``SOURCE.address`` and port to ``DESTINATION.address`` and port."""
    return Ends(
        row[f"{source}.address"],
        row.get(f"{source}.port", 0),
        row[f"{destination}.address"],
        row.get(f"{destination}.port", 0),
    )


@dataclass(frozen=True)
class Flow:
    """All rows of one connection, in the order of their windows."""

    rows: list[Row]

    @property
    def called(self) -> Ends:
        """From the client to the service that it called."""
        return ends(self.rows[-1], "client", "service")

    @property
    def server(self) -> tuple[str, int]:
        """Who answered."""
        return self.rows[-1]["server.address"], self.rows[-1].get("server.port", 0)

    @property
    def chain(self) -> list[Ends]:
        """The tuples on the way."""
        return [ends(hop, "source", "destination") for hop in self.rows[-1].get("nat", [])]

    @property
    def evidence(self) -> str:
        """What the last row rests on."""
        return str(self.rows[-1]["evidence"])

    @property
    def stories(self) -> int:
        """How many different tellings there are of who is connected with whom; 1 unless rows contradict."""
        return len({(ends(row, "client", "service"), ends(row, "client", "server")) for row in self.rows})

    def total(self, name: str) -> int:
        """The sum of a counter, or the number of rows with a flag."""
        return sum(int(row.get(name, 0)) for row in self.rows)


def flows_of(rows: Iterable[Row]) -> list[Flow]:
    """The connections that rows of the kind "flow" tell of."""
    by_connection: dict[int, list[Row]] = {}
    for row in rows:
        if row["kind"] == "flow":
            by_connection.setdefault(row["connection.id"], []).append(row)
    return [Flow(sorted(found, key=second)) for found in by_connection.values()]


def second(row: Row) -> int:
    """The second in which it happened."""
    return int(row["window"]) - int(row.get("window.late_s", 0))
