"""Network or application: what figures say beside what is usual."""

from typing import Any

import pytest

from store.queries.answers import DropCause
from store.queries.verdict import Figures, judged

MS = 1e6
USUAL = Figures(
    seconds=3600,
    sent=1_000_000,
    retransmitted=200,
    rtt_ns=2.2 * MS,
    rtt_floor_ns=2.0 * MS,
    connects=5000,
    closed=5000,
    requests=50_000,
    failed=50,
    request_p50_ns=10 * MS,
    request_p99_ns=40 * MS,
)
NOW = Figures(
    seconds=300,
    sent=80_000,
    retransmitted=16,
    rtt_ns=2.2 * MS,
    rtt_floor_ns=2.0 * MS,
    connects=400,
    closed=400,
    requests=4000,
    failed=4,
    request_p50_ns=10 * MS,
    request_p99_ns=42 * MS,
)


def said(usual: Figures = USUAL, **changed: Any) -> tuple[str, str]:
    """The verdict of a window that differs from the usual in this, and its sentence."""
    told = judged(NOW._replace(**changed), usual)
    return told.verdict, told.sentence


def test_what_is_as_ever_is_well() -> None:
    """With the numbers that say so."""
    verdict, sentence = said()
    assert verdict == "well"
    assert sentence == "Well: 0.02 % of segments retransmitted, RTT 2.2ms, p99 of requests 42ms."


@pytest.mark.parametrize(
    ("changed", "verdict", "sentence"),
    [
        (
            {"retransmitted": 3280, "rtt_ns": 18 * MS},
            "network",
            "Network: 4.1 % of segments retransmitted (normal 0.02 %), RTT 9 times its floor (18ms over 2.0ms).",
        ),
        (
            {"request_p99_ns": 2100 * MS},
            "application",
            "Application: RTT and retransmits normal, server slow: p99 of requests 2.1s (normal 40ms).",
        ),
        (
            {"overflows": 412, "attempts": 450},
            "backlog",
            "Server's accept queue overflows: RTT and retransmits normal, 412 of 450 attempts to connect dropped.",
        ),
        (
            {"held_up": 60},
            "receiver",
            "Receiver does not read: RTT and retransmits normal, "
            "the server left a zero window at the end of 60 of 300 connection-seconds.",
        ),
        (
            {"failed": 400},
            "application",
            "Application: RTT and retransmits normal, 10.0 % of requests failed (normal 0.1 %).",
        ),
        ({"timed_out": 40}, "network", "Network: 40 of 400 connects without an answer."),
    ],
)
def test_what_is_far_from_the_habit_is_told(changed: dict[str, Any], verdict: str, sentence: str) -> None:
    """Each with its numbers, and what is usual."""
    assert said(**changed) == (verdict, sentence)


@pytest.mark.parametrize(
    ("cause", "verdict", "sentence"),
    [
        (
            ("netfilter", "NETFILTER_DROP", "FORWARD", "nft_do_chain", "node-7"),
            "network",
            "Network: 2.0k packets dropped by netfilter on node-7, chain FORWARD.",
        ),
        (
            ("receive_buffer", "SOCKET_RCVBUFF", "", "__udp_enqueue_schedule_skb", "node-7"),
            "receiver",
            "Receiver does not read: RTT and retransmits normal, "
            "2.0k packets dropped because a receive buffer is full on node-7.",
        ),
        (
            ("accept_queue", "TCP_LISTEN_OVERFLOW", "", "tcp_v4_syn_recv_sock", "node-7"),
            "backlog",
            "Server's accept queue overflows: RTT and retransmits normal, "
            "2.0k packets dropped because the server accepts too slowly on node-7.",
        ),
    ],
)
def test_drops_are_the_fault_of_who_is_meant_by_their_reason(
    cause: tuple[str, ...], verdict: str, sentence: str
) -> None:
    """With the machine that dropped; what is dropped every day is well."""
    names = ("category", "reason", "hook", "function", "node")
    drops = [DropCause(**dict(zip(names, cause, strict=True)), packets=2000)]
    told = judged(NOW._replace(dropped=2000), USUAL, drops)
    assert (told.verdict, told.sentence) == (verdict, sentence)
    daily = [DropCause(**dict(zip(names, cause, strict=True)), packets=20_000)]
    assert judged(NOW._replace(dropped=2000), USUAL, drops, daily).verdict == "well"


def test_the_network_comes_first() -> None:
    """Where it is ill, slow requests are no proof of a slow server; they are told beside it."""
    told = judged(NOW._replace(retransmitted=3280, request_p99_ns=2100 * MS), USUAL)
    assert told.verdict == "network"
    assert [each.verdict for each in told.findings] == ["network", "application"]


def test_connects_that_a_full_queue_dropped_are_not_the_networks() -> None:
    """They time out as if nobody were there."""
    assert said(timed_out=40, overflows=40, attempts=400)[0] == "backlog"


def test_a_lossy_pair_has_its_own_habit() -> None:
    """What retransmits 2 % every day is well with 3 %, and ill with 10 %."""
    lossy = USUAL._replace(retransmitted=20_000)
    assert said(lossy, retransmitted=2400)[0] == "well"
    assert said(lossy, retransmitted=8000)[0] == "network"


def test_without_a_habit_limits_are_wide() -> None:
    """A request that takes a hundred round trips waits for the server."""
    assert said(Figures(), request_p50_ns=400 * MS)[1] == (
        "Application: RTT and retransmits normal, server slow: "
        "p50 of requests 400ms, of which the network takes 2.2ms (nothing is known of before)."
    )
    assert said(Figures())[0] == "well"


def test_a_connection_that_hangs_sends_next_to_nothing() -> None:
    """A zero window each second is enough to tell who does not read."""
    assert judged(Figures(seconds=60, sent=20, held_up=60), USUAL).verdict == "receiver"


def test_what_probes_a_zero_window_is_no_loss() -> None:
    """The kernel counts it as sent again; beside a network that loses, it is told after that."""
    deaf = Figures(seconds=60, sent=1700, retransmitted=31, held_up=60)
    assert judged(deaf, Figures()).verdict == "receiver"
    assert [each.verdict for each in judged(deaf, Figures()).findings] == ["receiver"]
    lossy = judged(deaf._replace(retransmitted=400), Figures())
    assert [each.verdict for each in lossy.findings] == ["network", "receiver"]


def test_too_little_is_an_answer() -> None:
    """A few segments of one connection tell nothing."""
    told = judged(Figures(seconds=3, sent=40, retransmitted=20, connects=1), USUAL)
    assert (told.verdict, told.sentence) == ("unknown", "Not enough data to tell.")
