"""Edges that are new, fall silent, or carry far more or less than is their habit: events, never findings.

The habit of traffic is an edge's own level, times what the hour of the week is worth in the whole fleet.
"""

from typing import Final

import numpy as np

from actors.detect.observations import TICK_S, Event
from actors.detect.state import GONE

_HOURS: Final = 168
#: The epoch began on a Thursday; any hour may be the first, as long as it stays.
_TICKS_PER_HOUR: Final = 3600 // TICK_S
#: Ticks of silence that are none to speak of, how many times the longest ever is one, and the share of ticks in
#: which an edge had traffic before it can be missed.
_SHORT: Final = 12
_TIMES: Final = 3
_USUALLY: Final = 0.5
#: How fast shares, levels and hours are learnt.
_ACTIVE_PACE: Final = np.float32(1 / 60)
_LEVEL_PACE: Final = np.float32(1 / 2000)
_HOUR_PACE: Final = 1 / 200
#: Ticks that teach; how far from the level is far (times its usual distance, in powers of two), for how many ticks.
_TEACHING: Final = 180
_FAR: Final = np.float32(6)
_LEAST_FAR: Final = np.float32(2)
_FAR_TICKS: Final = 6

Columns = dict[str, np.ndarray]


class Habits:
    """What each hour of the week is worth: powers of two; shape (168,)."""

    def __init__(self) -> None:
        self.hours = np.zeros(_HOURS, np.float32)

    def step(
        self, edges: Columns, tick: int, rows: np.ndarray, traffic: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Learns what edges with traffic carried; rows that are far off their habit, and what they are.

        :param edges: columns of the memory, changed in place.
        :param rows: places of the edges with traffic.
        :param traffic: bytes of each.
        """
        hour = tick // _TICKS_PER_HOUR % _HOURS
        value = np.log2(traffic + 1)
        level, spread, age = edges["level"][rows], edges["spread"][rows], edges["age"][rows]
        level = np.where(age == 0, value - self.hours[hour], level)
        away = value - level - self.hours[hour]
        old = age >= _TEACHING
        far = old & (np.abs(away) > np.maximum(_LEAST_FAR, _FAR * spread))
        if old.any():
            self.hours[hour] += _HOUR_PACE * np.median(away[old])
        gain = np.maximum(_LEVEL_PACE, 1 / (1 + age.astype(np.float32)) * ~old)
        edges["level"][rows] = level + gain * np.clip(away, -4, 4)
        edges["spread"][rows] = spread + gain * (np.minimum(np.abs(away), 4) - spread)
        ticks = edges["marks"][rows] & ~GONE
        after = np.where(far, np.minimum(ticks + 1, _FAR_TICKS), np.maximum(ticks, 1) - 1)
        edges["marks"][rows] = after | (edges["marks"][rows] & GONE)
        begun = (after == _FAR_TICKS) & (ticks < _FAR_TICKS)
        return rows[begun], np.where(away[begun] > 0, Event.MORE, Event.LESS)


def silences(edges: Columns, here: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts silence, where it is known to be one; rows that vanished or returned, and which of both.

    :param edges: columns of the memory, changed in place.
    :param here: the rows with traffic; bool, as ``known``.
    """
    silent, longest = edges["silent"], edges["longest"]
    returned = here & (edges["marks"] >= GONE)
    longest[here] = np.maximum(longest[here], silent[here])
    silent[here] = 0
    quiet = known & ~here
    silent[quiet] += silent[quiet] < np.iinfo(np.uint16).max
    edges["active"][known] += _ACTIVE_PACE * (here - edges["active"])[known]
    limit = np.maximum(_SHORT, _TIMES * longest.astype(np.int32))
    usual = edges["active"].astype(np.float32) * np.exp(np.minimum(silent * _ACTIVE_PACE, 20))
    gone = quiet & (edges["marks"] < GONE) & (silent > limit) & (usual > _USUALLY)
    gone &= edges["age"] >= 60
    edges["marks"][gone] |= GONE
    edges["marks"][returned] &= ~GONE
    rows = np.concatenate((np.flatnonzero(gone), np.flatnonzero(returned)))
    what = np.repeat([Event.VANISHED, Event.RETURNED], [np.count_nonzero(gone), np.count_nonzero(returned)])
    return rows, what
