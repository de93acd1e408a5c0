"""What the memory holds of series that are ill, as findings."""

from collections.abc import Sequence

import numpy as np

from actors.detect.evidence import Symptoms, Tuning, expected
from actors.detect.observations import TICK_S, Findings, State
from actors.detect.state import Memory

#: Places of edges or nodes in the memory, or their ids, and symptoms of each; or ids and events.
Listed = tuple[np.ndarray, np.ndarray]


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
    series = {name: column[rows, of] for name, column in memory.series.items()}
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
        certain[rows],
        *events,
    )


def joined(parts: Sequence[Findings]) -> Findings:
    """Several as one."""
    names = Findings.__dataclass_fields__
    return Findings(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
