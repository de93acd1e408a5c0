"""Questions that repeat one to which the same process got no answer before, on whatever socket."""

from typing import Final

import numpy as np

from model.clock import SECOND_NS
from probes.dns.hashes import hashed_columns

#: How soon after a question nobody can have given up on it: two at once are no retry.
SOONEST_NS: Final = SECOND_NS // 5
#: How many time-outs long a question is remembered for those that repeat it.
REMEMBERED: Final = 4
#: A question that had no answer for so long that it may have been repeated.
_SLOW: Final = np.dtype([("again", "<u8"), ("asked_ns", "<i8"), ("answered_ns", "<i8")])


class Retries:
    """Remembers questions without an answer.

    :param timeout_ns: after which nobody waits for an answer any more.
    :param most: questions that are remembered, the latest.
    """

    def __init__(self, timeout_ns: int, most: int) -> None:
        self._lasts_ns = REMEMBERED * timeout_ns
        self._most = most
        self._slow = np.zeros(0, _SLOW)

    def mark(self, ended: np.ndarray, waiting: np.ndarray, now_ns: int) -> None:
        """Sets ``retry`` of questions that ended, where the one before had no answer when they were asked.

        :param ended: ``EXCHANGE`` of one second.
        :param waiting: ``EXCHANGE`` of those without an answer yet.
        """
        self._slow = self._slow[self._slow["asked_ns"] > now_ns - self._lasts_ns]
        slow = ended[_is_slow(ended)]
        waiting = waiting[waiting["asked_ns"] <= now_ns - SOONEST_NS]
        if not len(slow) + len(waiting) + len(self._slow):
            return
        keys = np.concatenate((self._slow["again"], again(slow), again(waiting)))
        mine = np.flatnonzero(np.isin(again(ended), keys))
        asked = np.concatenate((_rows(ended[mine]), self._slow, _rows(waiting)))
        order = np.lexsort((asked["asked_ns"], asked["again"]))
        before, after = asked[order[:-1]], asked[order[1:]]
        gap = after["asked_ns"] - before["asked_ns"]
        retry = (before["again"] == after["again"]) & (gap >= SOONEST_NS) & (gap <= self._lasts_ns)
        retry &= (before["answered_ns"] == 0) | (before["answered_ns"] > after["asked_ns"])
        places = order[1:][retry]
        ended["retry"][mine[places[places < len(mine)]]] = True
        self._remember(asked[: len(mine) + len(self._slow)])

    def _remember(self, asked: np.ndarray) -> None:
        """The last question of each kind, if it was slow."""
        order = np.lexsort((asked["asked_ns"], asked["again"]))
        last = np.append(asked["again"][order[1:]] != asked["again"][order[:-1]], True)[: len(order)]
        latest = asked[order[last]]
        self._slow = latest[_is_slow(latest)][-self._most :]


def _is_slow(rows: np.ndarray) -> np.ndarray:
    slow: np.ndarray = rows["answered_ns"] == 0
    slow |= rows["answered_ns"] - rows["asked_ns"] >= SOONEST_NS
    return slow


def again(rows: np.ndarray) -> np.ndarray:
    """A number for what questions have in common that repeat each other; shape (n,), uint64.

    :param rows: ``EXCHANGE``.
    """
    process = rows["tgid"].astype(np.uint64) << np.uint64(32) | rows["netns"]
    sides = rows["role"].astype(np.uint64) << np.uint64(32) | rows["type"]
    return hashed_columns(rows["program"], process, rows["name"], sides)


def _rows(exchanges: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(exchanges), _SLOW)
    rows["again"] = again(exchanges)
    for name in ("asked_ns", "answered_ns"):
        rows[name] = exchanges[name]
    return rows
