"""The peer of the socket table's tick: the same delta, row by row, in dictionaries."""

from typing import Any

from model.kinds.delta import COUNTERS
from probes.kernel.frames import SnapshotFrame


class RowTable:
    """What a program without columns does: a dictionary per socket, a loop per second."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], dict[str, int]] = {}
        self._described: dict[tuple[int, int], dict[str, Any]] = {}

    def tick(self, frame: SnapshotFrame) -> list[dict[str, Any]]:
        """One dictionary for each socket whose counters changed: its description and what it did."""
        self._learn(frame)
        names = frame.cells["counters"].dtype.names
        assert names is not None
        rows = []
        generations, states = frame.cells["generation"].tolist(), frame.cells["state"].tolist()
        counters = frame.cells["counters"].tolist()
        for slot, generation, state, values in zip(
            frame.slots.tolist(), generations, states, counters, strict=True
        ):
            row = self._row((slot, generation), state, dict(zip(names, values, strict=True)))
            if row:
                rows.append(row)
        return rows

    def _learn(self, frame: SnapshotFrame) -> None:
        names = frame.descriptions.dtype.names
        assert names is not None
        for slot, values in zip(frame.new_slots.tolist(), frame.descriptions.tolist(), strict=True):
            described = dict(zip(names, values, strict=True))
            self._described[slot, described["generation"]] = described

    def _row(self, key: tuple[int, int], state: int, now: dict[str, int]) -> dict[str, Any]:
        last = self._last.get(key)
        deltas = {name: now[name] - last[name] if last else now[name] for name in COUNTERS}
        if not any(deltas.values()):
            return {}
        self._last[key] = now
        return {
            "socket.slot": key[0],
            "socket.generation": key[1],
            "connection.state": state,
            **self._described[key],
            **deltas,
            "rtt_ns": now["rtt_us"] * 1000,
            "rtt_min_ns": now["rtt_min_us"] * 1000,
            "cwnd_segments": now["cwnd_segments"],
        }
