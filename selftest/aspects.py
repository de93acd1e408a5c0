"""What must be right about a reported socket, one aspect at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.kinds.delta import CloseReason, Evidence, Role
from model.transport import Transport
from probes.checks.privileges import is_initial
from selftest.reported import ReportedSocket, name
from selftest.truth import End, endpoint


@dataclass(frozen=True)
class Aspect:
    """One thing to compare.

    :param applies: whether the truth of an end says anything about it.
    :param expected: what should have been reported.
    :param reported: what was, of the same form.
    """

    name: str
    applies: Callable[[End], bool]
    expected: Callable[[End], str]
    reported: Callable[[ReportedSocket], str]


def _life(opened: int, closed: int, failed: int, adopted: int) -> str:
    """Failed connects need not be marked as closed."""
    ended = f"failed {failed}" if failed else f"closed {closed}"
    return f"opened {opened}, {ended}" + (", adopted" if adopted else "")


def _owner(pid: int, comm: str, uid: int) -> str:
    """What is reported are the machine's pids; in a pid namespace of its own a process does not know its own one."""
    known = f"pid {pid}" if is_initial("pid") else "a process"
    return f"{known} ({comm}) of user {uid}"


def _always(end: End) -> bool:
    return True


ASPECTS: Final = (
    Aspect("tx bytes", _always, lambda end: str(end.tx_bytes), lambda reported: str(reported.tx_bytes)),
    Aspect("rx bytes", _always, lambda end: str(end.rx_bytes), lambda reported: str(reported.rx_bytes)),
    Aspect(
        "datagrams",
        lambda end: end.transport == Transport.UDP,
        lambda end: f"{end.tx_datagrams} sent, {end.rx_datagrams} received",
        lambda reported: f"{reported.tx_segments} sent, {reported.rx_segments} received",
    ),
    Aspect(
        "owners",
        _always,
        lambda end: _owner(end.pid, end.comm, end.uid),
        lambda reported: _owner(reported.pid, reported.comm, reported.uid),
    ),
    Aspect(
        "failed connects",
        lambda end: end.failed,
        lambda end: f"failed 1, errno {end.errno}",
        lambda reported: f"failed {reported.failed}, errno {reported.errno}",
    ),
    Aspect(
        "errors",
        lambda end: not end.failed,
        lambda end: f"errno {end.errno}",
        lambda reported: f"errno {reported.errno}",
    ),
    Aspect(
        "close reasons",
        lambda end: end.close_reason != CloseReason.OPEN,
        lambda end: name(CloseReason, end.close_reason),
        lambda reported: name(CloseReason, reported.close_reason),
    ),
    Aspect(
        "adopted",
        lambda end: end.adopted,
        lambda end: "adopted",
        lambda reported: "adopted" if reported.adopted else "not adopted",
    ),
    Aspect(
        "life",
        _always,
        lambda end: _life(int(not end.adopted and not end.failed), 1, int(end.failed), int(end.adopted)),
        lambda reported: _life(reported.opened, reported.closed, reported.failed, reported.adopted),
    ),
    Aspect(
        "roles",
        _always,
        lambda end: name(Role, end.role),
        lambda reported: name(Role, reported.role),
    ),
    Aspect(
        "backends",
        _always,
        lambda end: endpoint(*end.backend),
        lambda reported: endpoint(reported.destination_address, reported.destination_port),
    ),
    Aspect(
        "subflows",
        _always,
        lambda end: _subflow(end.mptcp_token),
        lambda reported: _subflow(reported.mptcp_token),
    ),
    Aspect(
        "retransmits",
        lambda end: end.kernel is not None,
        lambda end: (
            _retransmits(end.kernel.retransmitted_segments, end.kernel.retransmitted_bytes)
            if end.kernel
            else ""
        ),
        lambda reported: _retransmits(reported.retransmitted_segments, reported.retransmitted_bytes),
    ),
)


def _subflow(token: int) -> str:
    return f"of MPTCP connection {token:08x}" if token else "plain TCP"


def _retransmits(segments: int, count: int) -> str:
    return f"{segments} segments of {count} bytes"


def evidence(reported: ReportedSocket) -> str:
    """How the reported owner was learnt."""
    return name(Evidence, reported.evidence)
