"""Network or application? What the figures of an edge or a node say, beside what is usual there. Pure.

A figure is bad only where it is far from the pair's own habit, and counts enough to mean something; without a habit
limits are wide. The network comes first: where it is ill, slow answers say nothing of the server.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from model.text.units import duration_text
from store.queries.answers import DropCause
from store.queries.dropped import dropped_text

Verdict = Literal["network", "backlog", "receiver", "application", "well", "unknown"]

#: Fewer than these tell nothing: segments sent, connects, requests, values of a round trip.
_SEGMENTS, _CONNECTS, _REQUESTS, _ROUND_TRIPS = 200, 5, 10, 5
#: Ill is a share of so many times the usual one, and of no less than this.
_TIMES: Final = 4.0
_RETRANSMITTED, _TIMED_OUT, _REFUSED, _RESET, _FAILED = 0.01, 0.02, 0.02, 0.05, 0.02
#: So many of them at least.
_LEAST: Final = 5
_LEAST_RETRANSMITTED: Final = 10
#: A round trip is long at so many times its floor, twice the usual one, and by so much.
_FLOORS, _USUAL_ROUND_TRIPS, _LONGER_NS = 3.0, 2.0, 3e6
#: Requests are slow at so many times the usual, and by so much; without a habit at so many round trips.
_SLOWER, _SLOWER_NS = 3.0, 20e6
_ROUND_TRIPS_OF_SLOW, _SLOW_NS = 20.0, 200e6
_DROPPED: Final = 0.01
_HELD_UP: Final = 0.05
#: Segments that a connection sends again in a second because its peer does not read: they probe a zero window.
_PROBES: Final = 4


class Figures(NamedTuple):
    """Sums of a window.

    :param seconds: in which a connection did anything, of all connections.
    :param rtt_ns: the median; ``rtt_floor_ns``: what hardly any is below. 0: none was measured, as of all durations.
    :param timed_out: connects that failed without an answer, or because nobody is there.
    :param held_up: connection-seconds that ended with a zero window of the server; ``held_up_back``: of the client.
    :param dropped: packets that a kernel dropped, of any cause; ``datagrams`` of UDP that both ends sent.
    :param overflows: that the listener dropped, of ``attempts``.
    :param unresolved: queries of DNS without an answer, or that the server failed.
    """

    seconds: int = 0
    sent: int = 0
    retransmitted: int = 0
    rtt_ns: float = 0.0
    rtt_floor_ns: float = 0.0
    connects: int = 0
    timed_out: int = 0
    refused: int = 0
    closed: int = 0
    reset: int = 0
    held_up: int = 0
    held_up_back: int = 0
    datagrams: int = 0
    dropped: int = 0
    overflows: int = 0
    attempts: int = 0
    requests: int = 0
    failed: int = 0
    request_p50_ns: float = 0.0
    request_p99_ns: float = 0.0
    queries: int = 0
    unresolved: int = 0

    @property
    def tells(self) -> bool:
        """Whether it is enough to say anything at all."""
        return (
            self.sent >= _SEGMENTS
            or self.connects >= _CONNECTS
            or self.requests >= _REQUESTS
            or self.queries >= _REQUESTS
            or self.overflows >= _LEAST
            or self.held_up + self.held_up_back >= _LEAST
            or self.dropped >= _LEAST
        )

    @property
    def packets(self) -> int:
        """That a kernel might have dropped."""
        return self.sent + self.datagrams + self.dropped


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    :param text: with its numbers: ``4.1 % of segments retransmitted (normal 0.02 %)``.
    """

    verdict: Verdict
    text: str


class Judged(NamedTuple):
    """The answer: in one sentence, and all that was found."""

    verdict: Verdict
    sentence: str
    findings: tuple[Finding, ...]


#: Whose fault drops are; of all other categories the network's.
_FAULTS: Final[dict[str, Verdict]] = {
    "accept_queue": "backlog",
    "syn_backlog": "backlog",
    "receive_buffer": "receiver",
    "no_socket": "application",
}
_TITLES: Final[dict[Verdict, str]] = {
    "network": "Network",
    "backlog": "Server's accept queue overflows",
    "receiver": "Receiver does not read",
    "application": "Application",
}


def judged(
    now: Figures, usual: Figures, drops: Sequence[DropCause] = (), usual_drops: Sequence[DropCause] = ()
) -> Judged:
    """What is wrong, the likeliest cause first.

    :param usual: the same of a longer time before; all 0 where nothing is known of it.
    :param drops: why packets were dropped, the most frequent first; ``usual_drops`` likewise.
    """
    if not now.tells:
        return Judged("unknown", "Not enough data to tell.", ())
    found = (
        *_dropped(now, usual, drops, usual_drops),
        *_network(now, usual),
        *_backlog(now),
        *_receiver(now),
        *_application(now, usual),
    )
    order = [verdict for verdict in _TITLES if any(each.verdict == verdict for each in found)]
    if not order:
        return Judged("well", f"Well: {_well(now)}.", ())
    first = order[0]
    texts = [each.text for each in found if each.verdict == first]
    clear = _normal(now) if first in ("application", "receiver", "backlog") and "network" not in order else ""
    sentence = f"{_TITLES[first]}: {', '.join(filter(None, (clear, *texts)))}."
    findings = sorted(found, key=lambda each: order.index(each.verdict))
    return Judged(first, sentence, tuple(findings))


def _dropped(
    now: Figures, usual: Figures, drops: Sequence[DropCause], usual_drops: Sequence[DropCause]
) -> Iterator[Finding]:
    """Packets that a kernel dropped, by whose fault it is."""
    for verdict in _TITLES:
        mine, before = (
            [each for each in of if _FAULTS.get(each.category, "network") == verdict]
            for of in (drops, usual_drops)
        )
        lost, usually = (sum(each.packets for each in of) for of in (mine, before))
        if lost >= _LEAST and _far(lost, now.packets, usually, usual.packets, _DROPPED):
            yield Finding(verdict, dropped_text(mine, lost))


def _network(now: Figures, usual: Figures) -> Iterator[Finding]:
    lost, of = max(0, now.retransmitted - _PROBES * (now.held_up + now.held_up_back)), now.sent
    if lost >= _LEAST_RETRANSMITTED and _far(lost, of, usual.retransmitted, usual.sent, _RETRANSMITTED):
        habit = _habit(usual.retransmitted, usual.sent, _SEGMENTS)
        yield Finding("network", f"{_share(lost, of)} of segments retransmitted{habit}")
    floor = min(filter(None, (now.rtt_floor_ns, usual.rtt_floor_ns)), default=0.0)
    longer = now.seconds >= _ROUND_TRIPS and floor and now.rtt_ns >= max(_FLOORS * floor, floor + _LONGER_NS)
    if longer and (not usual.rtt_ns or now.rtt_ns >= _USUAL_ROUND_TRIPS * usual.rtt_ns):
        told = f"{duration_text(now.rtt_ns)} over {duration_text(floor)}"
        yield Finding("network", f"RTT {now.rtt_ns / floor:.0f} times its floor ({told})")
    lost, of = now.timed_out, now.connects
    if not now.overflows and lost >= _LEAST and _far(lost, of, usual.timed_out, usual.connects, _TIMED_OUT):
        yield Finding("network", f"{lost:,} of {of:,} connects without an answer")


def _backlog(now: Figures) -> Iterator[Finding]:
    if now.overflows >= _LEAST and now.overflows >= _DROPPED * now.attempts:
        yield Finding("backlog", f"{now.overflows:,} of {now.attempts:,} attempts to connect dropped")


def _receiver(now: Figures) -> Iterator[Finding]:
    for held, who in ((now.held_up, "the server"), (now.held_up_back, "the client")):
        if held >= _LEAST and held >= _HELD_UP * now.seconds:
            yield Finding(
                "receiver",
                f"{who} left a zero window at the end of {held:,} of {now.seconds:,} connection-seconds",
            )


def _application(now: Figures, usual: Figures) -> Iterator[Finding]:
    if now.requests >= _REQUESTS and (slow := _slow(now, usual)):
        yield Finding("application", slow)
    if now.failed >= _LEAST and _far(now.failed, now.requests, usual.failed, usual.requests, _FAILED):
        habit = _habit(usual.failed, usual.requests, _REQUESTS)
        yield Finding("application", f"{_share(now.failed, now.requests)} of requests failed{habit}")
    if now.unresolved >= _LEAST and _far(
        now.unresolved, now.queries, usual.unresolved, usual.queries, _FAILED
    ):
        habit = _habit(usual.unresolved, usual.queries, _REQUESTS)
        yield Finding("application", f"{_share(now.unresolved, now.queries)} of queries of DNS failed{habit}")
    if now.refused >= _LEAST and _far(now.refused, now.connects, usual.refused, usual.connects, _REFUSED):
        yield Finding("application", f"{now.refused:,} of {now.connects:,} connects refused: nobody listens")
    if now.reset >= _LEAST and _far(now.reset, now.closed, usual.reset, usual.closed, _RESET):
        habit = _habit(usual.reset, usual.closed, _CONNECTS)
        yield Finding("application", f"{_share(now.reset, now.closed)} of connections reset{habit}")


def _slow(now: Figures, usual: Figures) -> str:
    """Whether the server is slow, by its habit; without one by how long the network takes."""
    if usual.requests >= _REQUESTS:
        for name, mine, before in (
            ("p50", now.request_p50_ns, usual.request_p50_ns),
            ("p99", now.request_p99_ns, usual.request_p99_ns),
        ):
            if mine >= max(_SLOWER * before, before + _SLOWER_NS):
                habit = duration_text(before)
                return f"server slow: {name} of requests {duration_text(mine)} (normal {habit})"
        return ""
    mine = now.request_p50_ns
    if mine >= max(_SLOW_NS, _ROUND_TRIPS_OF_SLOW * now.rtt_ns):
        of = f", of which the network takes {duration_text(now.rtt_ns)}" if now.rtt_ns else ""
        return f"server slow: p50 of requests {duration_text(mine)}{of} (nothing is known of before)"
    return ""


def _far(bad: int, of: int, usual_bad: int, usual_of: int, floor: float) -> bool:
    """Whether a share is far above the usual one."""
    usual = usual_bad / usual_of if usual_of else 0.0
    return bool(of) and bad / of >= max(floor, _TIMES * usual)


def _habit(bad: int, of: int, least: int) -> str:
    return f" (normal {_share(bad, of)})" if of >= least else ""


def _share(bad: int, of: int) -> str:
    percent = 100 * bad / max(1, of)
    return f"{percent:.1f} %" if percent >= 1 or not bad else f"{percent:.2g} %"


def _normal(now: Figures) -> str:
    """What speaks for the network."""
    if now.sent < _SEGMENTS:
        return ""
    return "RTT and retransmits normal" if now.rtt_ns else "retransmits normal"


def _well(now: Figures) -> str:
    told = []
    if now.sent:
        told.append(f"{_share(now.retransmitted, now.sent)} of segments retransmitted")
    if now.rtt_ns:
        told.append(f"RTT {duration_text(now.rtt_ns)}")
    if now.requests:
        told.append(f"p99 of requests {duration_text(now.request_p99_ns)}")
    return ", ".join(told) or f"{now.connects:,} connects"
