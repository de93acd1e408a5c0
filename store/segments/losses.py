"""What ledgers say was lost since they last said so."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from store.segments.columns import Column

_MINUTE: Final = 60
#: The first version whose agents send all that is kept: segments sent, why connects failed.
OLDEST: Final = (0, 1)
#: The reason of rows of agents from before it; their stage is the version.
TOO_OLD: Final = "too_old"
#: Stages of other sinks: what they lose this store may have.
_SINKS: Final = "sink."
_OWN: Final = "sink.store"


class Losses:
    """Ledgers count from the start of a program; a row says what came on top.

    :param known: nodes and boots whose ledgers were seen before this start: what they lost by then was said then.
    """

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        self._known = set(known)
        self._counts: dict[tuple[str, str], dict[tuple[str, str], int]] = {}

    def of_node(self, node: str, boot: str, stages: Mapping[str, Any], second: int) -> dict[str, Column]:
        """Rows of what a ledger has more than the one before; nothing if it has not."""
        now = {
            (name, reason): count
            for name, stage in stages.items()
            if not name.startswith(_SINKS) or name.startswith(_OWN)
            for reason, count in stage["dropped"].items()
        }
        before = self._counts.get((node, boot), now if (node, boot) in self._known else {})
        self._counts[node, boot] = now
        grown = [
            (stage, reason, count - before.get((stage, reason), 0))
            for (stage, reason), count in now.items()
            if count > before.get((stage, reason), 0)
        ]
        return _rows(node, grown, second) if grown else {}

    def of_store(self, reason: str, rows: int, second: int) -> dict[str, Column]:
        """A row of what the store could not keep."""
        return _rows("", [("store", reason, rows)], second)


def too_old(node: str, version: str, second: int) -> dict[str, Column]:
    """A row that an agent does not report all; nothing if it does.

    :param version: that it says; empty from one of before it said so.
    """
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is not None and tuple(map(int, numbers.groups())) >= OLDEST:
        return {}
    return _rows(node, [(version or "says no version", TOO_OLD, 0)], second)


def _rows(node: str, lost: list[tuple[str, str, int]], second: int) -> dict[str, Column]:
    stages, reasons, counts = zip(*lost, strict=True)
    at = np.full(len(lost), second, np.int64)
    return {
        "node": [node] * len(lost),
        "stage": list(stages),
        "reason": list(reasons),
        "begin_s": at // _MINUTE * _MINUTE,
        "lost": np.array(counts, np.int64),
        "first_s": at,
        "last_s": at,
        "part": np.zeros(len(lost), np.int64),
    }
