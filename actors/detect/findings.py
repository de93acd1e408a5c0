"""What the memory holds of series that are ill, as findings."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from actors.detect.evidence import Symptoms, Tuning, expected
from actors.detect.observations import TICK_S, Findings, State
from actors.detect.state import Memory

#: Places of edges or nodes in the memory, or their ids, and symptoms of each; or ids and events.
Listed = tuple[np.ndarray, np.ndarray]
#: Ticks without counts from which on nobody sees how a finding stands, though its edge has other traffic: a minute;
#: and after which it ends for want of traffic: an hour.
UNCERTAIN_AFTER: Final = 6
GIVEN_UP: Final = 360


def no_events() -> Listed:
    """Of nobody."""
    return np.zeros(0, np.uint64), np.zeros(0, np.uint8)


def findings_of(
    tick: int,
    memory: Memory,
    listed: Sequence[Listed],
    certain: np.ndarray,
    judged_by: tuple[Symptoms, Tuning],
    events: Listed,
) -> Findings:
    """Of places and symptoms.

    :param listed: those that started, go on and ended, in this order.
    :param certain: of each in the memory.
    """
    rows, of = (np.concatenate([part[place] for part in listed]) for place in (0, 1))
    states = np.repeat([State.STARTED, State.ONGOING, State.ENDED], [len(part[0]) for part in listed])
    series = memory.series(rows * memory.width + of, tick)
    bad, total = (series[name].astype(np.float32) for name in ("bad_since", "total_since"))
    ago = (np.int64(tick) - series["since"].astype(np.int64)) & 0xFFFF
    return Findings(
        memory.ids[rows],
        of.astype(np.uint8),
        states.astype(np.uint8),
        bad / np.maximum(total, 1),
        expected(series, of, *judged_by),
        (tick - ago) * TICK_S,
        bad,
        total,
        certain[rows] & (series["unseen"] < UNCERTAIN_AFTER),
        *events,
    )


def joined(parts: Sequence[Findings]) -> Findings:
    """Several as one."""
    names = Findings.__dataclass_fields__
    return Findings(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
