"""How surprising the change of an edge is: the ratio of two rates less the uncertainty of the counts behind it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from store.queries.answers import ChangeState
from store.queries.pairs import Sums
from store.queries.status import Z, share_text

STATES: Final[tuple[ChangeState, ...]] = ("same", "changed", "new", "gone")
SAME, CHANGED, NEW, GONE = range(4)
#: From this score on an edge has changed: a rate is surely 1.35 times another.
CHANGED_SCORE: Final = 0.3
#: Seconds that bytes and segments are spread over even if nothing was opened: connections stay open.
_HALF: Final = 0.5

#: What the score is of, by number.
METRICS: Final = ("failures", "connections", "bytes", "retransmits", "failed requests", "requests")


@dataclass(frozen=True)
class Changes:
    """Of each row.

    :param states: numbers of ``STATES``; int8.
    :param scores: natural logarithms, 0 and more.
    :param metrics: which ratio each score is of: numbers of ``METRICS``.
    """

    states: np.ndarray
    scores: np.ndarray
    metrics: np.ndarray


def changes(now: Sums, before: Sums, seconds: tuple[int, int]) -> Changes:
    """From before to now.

    :param seconds: of the window now, and before.
    """
    scores = np.stack(
        [
            shares(now.failed, now.attempts, before.failed, before.attempts),
            rates(now.attempts, before.attempts, seconds),
            _amounts(now, before, seconds),
            shares(
                now["retransmitted_segments"],
                now["sent_segments"],
                before["retransmitted_segments"],
                before["sent_segments"],
            ),
            shares(now["requests.failed"], now["requests"], before["requests.failed"], before["requests"]),
            rates(now["requests"], before["requests"], seconds),
        ]
    )
    metrics = scores.argmax(axis=0)
    score = scores.max(axis=0)
    states = np.where(score >= CHANGED_SCORE, CHANGED, SAME).astype(np.int8)
    states[now.there & ~before.there] = NEW
    states[~now.there & before.there] = GONE
    return Changes(states, score, metrics)


def _surely(ratio: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """What a logarithm of a ratio is at least, on either side of 0; 0 if it may be none."""
    surely: np.ndarray = np.maximum(0, np.abs(ratio) - Z * deviation)
    return surely


def rates(now: np.ndarray, before: np.ndarray, seconds: tuple[int, int]) -> np.ndarray:
    """Of counts per second; those of a Poisson process have the variance of their logarithm 1 / n."""
    ratio = np.log((now + _HALF) / seconds[0]) - np.log((before + _HALF) / seconds[1])
    return _surely(ratio, np.sqrt(1 / (now + _HALF) + 1 / (before + _HALF)))


def _amounts(now: Sums, before: Sums, seconds: tuple[int, int]) -> np.ndarray:
    """Of bytes per second: as certain as the connections that moved them are many, but for what idle ones move."""
    counts = [each.attempts + _HALF + (each.traffic > 0) for each in (now, before)]
    ratio = np.log((now.traffic + 1000) / seconds[0]) - np.log((before.traffic + 1000) / seconds[1])
    return _surely(ratio, np.sqrt(1 / counts[0] + 1 / counts[1]))


def shares(bad: np.ndarray, of: np.ndarray, bad_before: np.ndarray, of_before: np.ndarray) -> np.ndarray:
    """Of shares (the logarithm of a relative risk, Katz 1978)."""
    share, share_before = (bad + _HALF) / (of + 1), (bad_before + _HALF) / (of_before + 1)
    variance = 1 / (bad + _HALF) - 1 / (of + 1) + 1 / (bad_before + _HALF) - 1 / (of_before + 1)
    score = _surely(np.log(share) - np.log(share_before), np.sqrt(np.maximum(variance, 0)))
    return np.where((of > 0) & (of_before > 0), score, 0)


def change_text(metric: int, now: dict[str, int], before: dict[str, int], seconds: tuple[int, int]) -> str:
    """What changed, in words: ``failed 0 % → 31 %``."""
    name = METRICS[metric]
    if name == "failures":
        return f"failed {_share(before, 'failed', 'attempts')} → {_share(now, 'failed', 'attempts')}"
    if name == "retransmits":
        return f"sent again {_share(before, 'retransmits', 'sent')} → {_share(now, 'retransmits', 'sent')}"
    if name == "failed requests":
        was_share, share = (_share(each, "requests_failed", "requests") for each in (before, now))
        return f"failed {was_share} → {share} of requests"
    key = {"connections": "attempts", "bytes": "traffic"}.get(name, name)
    was, is_now = before[key] / seconds[1], now[key] / seconds[0]
    if not was or not is_now:
        return f"{name} {'began' if is_now else 'ended'}"
    times = is_now / was if is_now >= was else was / is_now
    return f"{times:.1f}× {'more' if is_now >= was else 'fewer'} {name}"


def _share(counts: dict[str, int], part: str, of: str) -> str:
    return share_text(counts[part], counts[of])
