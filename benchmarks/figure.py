"""A figure: one thing that is measured, beside the peer that does the same, and the bar it has to clear."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

KEYS: Final = ("name", "value", "unit", "peer", "peer_value", "ratio", "bar", "ok", "note")


@dataclass(frozen=True)
class Bar:
    """What a reading must reach; ``times`` is how many times better than the peer it must be."""

    at_most: float | None = None
    at_least: float | None = None
    times: float | None = None

    def text(self, unit: str) -> str:
        """As it is printed, such as ``<= 0.05 µs and >= 20x``; empty for no bar."""
        parts = []
        if self.at_most is not None:
            parts.append(f"<= {self.at_most:g} {unit}".rstrip())
        if self.at_least is not None:
            parts.append(f">= {self.at_least:g} {unit}".rstrip())
        if self.times is not None:
            parts.append(f">= {self.times:g}x")
        return " and ".join(parts)

    def is_cleared(self, value: float, ratio: float | None) -> bool:
        """Whether a value clears it; the part about the peer is left aside where the peer could not run."""
        return (
            (self.at_most is None or value <= self.at_most)
            and (self.at_least is None or value >= self.at_least)
            and (self.times is None or ratio is None or ratio >= self.times)
        )


NO_BAR: Final = Bar()


@dataclass(frozen=True)
class Reading:
    """One line of a figure: our value, and the value of one peer taken in the same run.

    :param value: None if it could not be measured: that misses the bar, and ``note`` says why.
    :param peer_value: None without a peer, or if the peer cannot run here: ``note`` says why then.
    :param better: which of two values is the better one.
    """

    value: float | None
    unit: str
    bar: Bar = NO_BAR
    peer: str | None = None
    peer_value: float | None = None
    better: Literal["less", "more"] = "less"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer; above 1 is better."""
        if self.value is None or self.peer_value is None:
            return None
        good, bad = self.value, self.peer_value
        if self.better == "less":
            good, bad = bad, good
        return good / bad if bad else None

    @property
    def ok(self) -> bool:
        """Whether the bar is cleared."""
        return self.value is not None and self.bar.is_cleared(self.value, self.ratio)

    def as_dict(self, name: str) -> dict[str, Any]:
        """The line under the keys of KEYS; the note is empty if there is nothing to add."""
        texts = {"peer": self.peer, "bar": self.bar.text(self.unit) or None, "note": self.note}
        numbers = {"value": self.value, "peer_value": self.peer_value, "ratio": self.ratio}
        line: dict[str, Any] = {"name": name, "unit": self.unit, "ok": self.ok, **texts, **numbers}
        return {key: line[key] for key in KEYS}


@dataclass(frozen=True)
class Figure:
    """Something that can be asked for by name.

    :param measure: gives one reading for each peer, in the order in which they are printed.
    """

    name: str
    purpose: str
    measure: Callable[[], Iterable[Reading]]
