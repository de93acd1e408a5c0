"""Names that a search list made and that do not exist, also where the next name is asked for in the next second."""

from typing import Final

import numpy as np

from probes.dns.counted import count
from probes.dns.exchanges import CLIENT, EXCHANGE
from probes.dns.hashes import hashed_columns
from probes.kernel.layout import rows_where

_NXDOMAIN: Final = 3
#: How soon a resolver goes on with the next name of a search list.
NEXT_NAME_NS: Final = 1_000_000_000
#: For how long an answer is remembered: the next question may be read a second after it was asked.
_REMEMBERED_NS: Final = 2 * NEXT_NAME_NS
#: What cells count of exchanges that an earlier second has counted already.
_COUNTED: Final = ("queries", "retries", "truncated", "latency_ns", "buckets")


class Searches:
    """Remembers names that do not exist until it is known whether their process went on to another one.

    :param most: names that are remembered, the latest; those beyond are counted in ``forgotten``, and their rows
        are marked only if the next name is asked for in the same second.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.forgotten = 0
        self._last = np.zeros(0, EXCHANGE)

    def mark(self, ended: np.ndarray, waiting: np.ndarray, now_ns: int) -> np.ndarray:
        """Sets ``search`` of names that do not exist and that a search list made: right after the answer, the same
        process asked for another name that begins with the same label.

        :param ended: ``EXCHANGE`` of one second.
        :param waiting: ``EXCHANGE`` of those without an answer yet.
        :return: ``EXCHANGE`` of earlier seconds of which it is known only now, with the socket of the next question:
            their own may be gone.
        """
        mine = np.flatnonzero(ended["role"] == CLIENT)
        if not len(self._last) and not (ended["rcode"][mine] == _NXDOMAIN).any():
            return self._last
        asked = np.concatenate((self._last, ended[mine], rows_where(waiting, waiting["role"] == CLIENT)))
        keys = _walks(asked)
        order = np.lexsort((asked["asked_ns"], keys))
        before, after = order[:-1], order[1:]
        same = keys[after] == keys[before]
        gap = asked["asked_ns"][after] - asked["answered_ns"][before]
        walked = same & _is_first(asked)[before] & (asked["name"][before] != asked["name"][after])
        walked &= (gap >= 0) & (gap <= NEXT_NAME_NS)
        found, following = before[walked], after[walked]
        late = found < len(self._last)
        places = found[~late] - len(self._last)
        ended["search"][mine[places[places < len(mine)]]] = True
        told: np.ndarray = asked[found[late]]
        for name in ("slot", "generation"):
            told[name] = asked[name][following[late]]
        self._remember(asked[order[np.append(~same, True)]], now_ns)
        return told

    def _remember(self, last: np.ndarray, now_ns: int) -> None:
        """Of each walk the last question, if its name does not exist."""
        mine = last[_is_first(last) & (last["answered_ns"] >= now_ns - _REMEMBERED_NS)]
        if (beyond := len(mine) - self._most) > 0:
            self.forgotten += beyond
            mine = mine[np.argsort(mine["answered_ns"], kind="stable")[-self._most :]]
        mine["search"] = True
        self._last = mine


def _is_first(asked: np.ndarray) -> np.ndarray:
    """Whether another name may follow."""
    first: np.ndarray = (asked["rcode"] == _NXDOMAIN) & (asked["label"] != 0)
    return first


def _walks(asked: np.ndarray) -> np.ndarray:
    """A number for what questions of one search have in common; shape (n,), uint64."""
    process = asked["tgid"].astype(np.uint64) << np.uint64(32) | asked["netns"]
    return hashed_columns(asked["program"], process, asked["label"], asked["type"])


def late_cells(searches: np.ndarray, names: np.ndarray, at_ns: int) -> np.ndarray:
    """Cells that count nothing but that names were made by a search list, for exchanges that are counted already.

    :param searches: ``EXCHANGE``.
    :param names: under which hash the name of each is told.
    :return: ``struct query_cell``.
    """
    cells = count(searches, names, at_ns)
    for name in _COUNTED:
        cells[name] = 0
    return cells
