"""Whether edges and workloads are well: shares with their uncertainty, never a bare count."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from model.text.units import duration_text, short_number
from store.queries.answers import Status

OK: Final = 0
DEGRADED: Final = 1
FAILING: Final = 2
STATUSES: Final[tuple[Status, ...]] = ("ok", "degraded", "failing")

#: Standard deviations of bounds: 95 % of both sides.
Z: Final = 1.96
#: The lower bound of the share of failed connects above which an edge fails, or is degraded.
_FAILING_SHARE: Final = 0.05
_DEGRADED_SHARE: Final = 0.005
#: Failures without which nothing is said to fail: of one connect one may fail.
_FAILURES: Final = 3
#: Lower bounds of the shares of segments sent again, and of connections that broke.
_RETRANSMITTED_SHARE: Final = 0.02
_BROKEN_SHARE: Final = 0.02
#: Of packets that a kernel dropped.
_DROPPED_SHARE: Final = 0.02


def bounds(bad: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each share ``bad / of`` is at least and at most, with 95 % (Wilson's score interval); 0 and 1 of none."""
    bad, of = np.asarray(bad, np.float64), np.asarray(of, np.float64)
    count = np.maximum(of, 1)
    share = np.minimum(bad / count, 1)
    middle = share + Z * Z / (2 * count)
    spread = Z * np.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return np.where(of > 0, np.maximum(low, 0), 0), np.where(of > 0, np.minimum(high, 1), 1)


def levels(
    failed: np.ndarray,
    attempts: np.ndarray,
    retransmits: np.ndarray,
    sent: np.ndarray,
    timed_out: np.ndarray,
    requests_failed: np.ndarray,
    requests: np.ndarray,
    dropped: np.ndarray,
    packets: np.ndarray,
    queries_failed: np.ndarray,
    queries: np.ndarray,
) -> np.ndarray:
    """``OK``, ``DEGRADED`` or ``FAILING`` of each row; int8.

    :param failed: connects of ``attempts``; requests that failed are judged as they are.
    :param timed_out: established connections whose other end no longer answered. Resets are no sign: many programs
        end healthy connections so.
    :param dropped: packets that a kernel dropped, beside ``packets`` sent.
    :param queries_failed: of DNS, judged as requests are.
    """
    low, _ = bounds(failed, attempts)
    again, _ = bounds(retransmits, sent)
    lost, _ = bounds(timed_out, np.maximum(attempts, timed_out))
    wrong, _ = bounds(requests_failed, requests)
    away, _ = bounds(dropped, np.add(dropped, packets))
    unresolved, _ = bounds(queries_failed, queries)
    found = np.zeros(len(low), np.int8)
    found[
        (low > _DEGRADED_SHARE)
        | (wrong > _DEGRADED_SHARE)
        | (unresolved > _DEGRADED_SHARE)
        | (again > _RETRANSMITTED_SHARE)
        | (lost > _BROKEN_SHARE)
        | (away > _DROPPED_SHARE)
    ] = DEGRADED
    found[(low > _FAILING_SHARE) & (failed >= _FAILURES)] = FAILING
    found[(wrong > _FAILING_SHARE) & (requests_failed >= _FAILURES)] = FAILING
    found[(unresolved > _FAILING_SHARE) & (queries_failed >= _FAILURES)] = FAILING
    return found


def reasons(
    failed: int,
    attempts: int,
    retransmits: int,
    sent: int,
    timed_out: int,
    requests_failed: int,
    requests: int,
    failures: Mapping[str, int] | None = None,
    dropped: str = "",
    queries: tuple[int, int] = (0, 0),
) -> list[str]:
    """What is wrong, in words, the worst first; nothing if all is well.

    :param failures: of the failed connects why, by reason.
    :param dropped: what is to be said of packets that a kernel dropped.
    :param queries: of DNS that failed, and all of them.
    """
    said = []
    if requests_failed:
        said.append(f"failed {share_text(requests_failed, requests)} of {short_number(requests)} requests")
    if queries[0]:
        said.append(f"failed {share_text(*queries)} of {short_number(queries[1])} queries of DNS")
    if failed:
        said.append(f"failed {share_text(failed, attempts)} of {attempts} opens")
        said += [f"{count} {reason.replace('_', ' ')}" for reason, count in (failures or {}).items() if count]
    if dropped:
        said.append(dropped)
    one = [np.array([float(each)]) for each in (0, 0, retransmits, sent, *[0] * 7)]
    if retransmits and levels(*one)[0]:
        said.append(f"sent {share_text(retransmits, sent)} of {short_number(sent)} segments again")
    if timed_out:
        said.append(f"{timed_out} timed out after they were established")
    return said


def share_text(part: float, of: float) -> str:
    """``31 %``; ``< 1 %`` where it is not 0."""
    share = 100 * part / of if of else 0
    return "< 1 %" if 0 < share < 1 else f"{share:.0f} %"


def p99_text(of: str, before_ns: int, now_ns: int) -> str:
    """``p99 to connect 1.0ms → 1.04s``."""
    return f"p99 {of} {duration_text(before_ns)} → {duration_text(now_ns)}"
