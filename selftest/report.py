"""The outcome of a self-test, for people and for programs."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

SHOWN_FAILURES: Final = 20


@dataclass
class Tally:
    """How many of what was made were reported rightly, wrongly, or not at all."""

    made: int = 0
    right: int = 0
    wrong: int = 0
    missing: int = 0

    @property
    def exact(self) -> bool:
        """Whether all were right."""
        return self.made == self.right


@dataclass
class ByteCount:
    """Payload bytes of all sockets together; ``difference`` adds up what each was off, whichever way."""

    made: int = 0
    reported: int = 0
    difference: int = 0


@dataclass(frozen=True)
class Failure:
    """One thing that was not reported as it was."""

    kind: str
    connection: str
    aspect: str
    expected: str
    reported: str

    def __str__(self) -> str:
        return f"{self.kind} {self.connection}: {self.aspect}: expected {self.expected}, reported {self.reported}"


@dataclass
class Report:
    """The comparison of what was made and what was reported.

    :param sockets: ends of connections; ``wrong`` ones were reported with at least one wrong aspect.
    :param phantoms: sockets that were reported on the self-test's own ground and never made.
    :param aspects: each aspect's tally, by its name.
    :param kinds: each kind of traffic's sockets, by its name.
    :param evidence: right owners by how they were learnt.
    :param lost: units that the loss ledger says were dropped.
    :param failures: at most `SHOWN_FAILURES`, as different as possible.
    :param failures_total: how many there were.
    """

    sockets: Tally = field(default_factory=Tally)
    phantoms: int = 0
    tx: ByteCount = field(default_factory=ByteCount)
    rx: ByteCount = field(default_factory=ByteCount)
    aspects: dict[str, Tally] = field(default_factory=dict)
    kinds: dict[str, Tally] = field(default_factory=dict)
    evidence: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    failures: list[Failure] = field(default_factory=list)
    failures_total: int = 0

    @property
    def exact(self) -> bool:
        """Whether every socket was reported, none too many, each right in every aspect, and nothing lost."""
        tallies = (self.sockets, *self.aspects.values())
        return (
            bool(self.sockets.made)
            and all(tally.exact for tally in tallies)
            and not (self.phantoms or self.tx.difference or self.rx.difference or self.lost)
        )

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        if not self.sockets.made:
            return "NOTHING COMPARED: no traffic was made"
        if self.exact:
            count = self.tx.made + self.rx.made
            return f"EXACT: {self.sockets.made} sockets and {count} bytes, all as they were"
        return f"NOT EXACT: {self.failures_total} findings, {self.lost} lost according to the ledger"

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain types."""
        return {"exact": self.exact, "verdict": self.verdict} | asdict(self)

    def as_text(self) -> str:
        """An aligned table, the failures, and the verdict as the last line."""
        counts = [("sockets", self.sockets), *self.aspects.items()]
        kinds = [(f"  {name}", tally) for name, tally in self.kinds.items()]
        parts = [
            _table(("", "made", "right", "wrong", "missing"), [_tally_row(*row) for row in counts]),
            _table(
                ("bytes", "made", "reported", "difference"),
                [_byte_row("tx", self.tx), _byte_row("rx", self.rx)],
            ),
            _table(
                ("sockets by kind", "made", "right", "wrong", "missing"), [_tally_row(*row) for row in kinds]
            ),
            self._remarks(),
            self.verdict,
        ]
        return "\n\n".join(part for part in parts if part)

    def _remarks(self) -> str:
        by = ", ".join(f"{count} {name}" for name, count in sorted(self.evidence.items()))
        lines = [f"phantoms {self.phantoms}, lost according to the ledger {self.lost}"]
        lines += [f"right owners learnt as: {by}"] if by else []
        lines += [f"- {failure}" for failure in self.failures]
        hidden = self.failures_total - len(self.failures)
        lines += [f"- and {hidden} more"] if hidden else []
        return "\n".join(lines)


def _tally_row(name: str, tally: Tally) -> tuple[str, ...]:
    return (name, *(f"{count:,}" for count in (tally.made, tally.right, tally.wrong, tally.missing)))


def _byte_row(name: str, count: ByteCount) -> tuple[str, ...]:
    return (name, *(f"{bytes_:,}" for bytes_ in (count.made, count.reported, count.difference)))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))).rstrip()
        for row in (head, *rows)
    )
