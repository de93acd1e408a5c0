"""What must be right about a reported socket, one aspect at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.kinds.delta import CloseReason, Evidence, Role
from selftest.seen import Seen, name
from selftest.truth import End


@dataclass(frozen=True)
class Aspect:
    """One thing to compare.

    :param applies: whether the truth of an end says anything about it.
    :param expected: what should have been reported.
    :param came: what was, of the same form.
    """

    name: str
    applies: Callable[[End], bool]
    expected: Callable[[End], str]
    came: Callable[[Seen], str]


def _life(opened: int, closed: int, failed: int, adopted: int) -> str:
    """Failed connects need not be marked as closed."""
    ended = f"failed {failed}" if failed else f"closed {closed}"
    return f"opened {opened}, {ended}" + (", adopted" if adopted else "")


def _owner(pid: int, comm: str, uid: int) -> str:
    return f"pid {pid} ({comm}) of user {uid}"


def _always(end: End) -> bool:
    return True


ASPECTS: Final = (
    Aspect("tx bytes", _always, lambda end: str(end.tx_bytes), lambda seen: str(seen.tx_bytes)),
    Aspect("rx bytes", _always, lambda end: str(end.rx_bytes), lambda seen: str(seen.rx_bytes)),
    Aspect(
        "owners",
        _always,
        lambda end: _owner(end.pid, end.comm, end.uid),
        lambda seen: _owner(seen.pid, seen.comm, seen.uid),
    ),
    Aspect(
        "failed connects",
        lambda end: end.failed,
        lambda end: f"failed 1, errno {end.errno}",
        lambda seen: f"failed {seen.failed}, errno {seen.errno}",
    ),
    Aspect(
        "errors",
        lambda end: not end.failed,
        lambda end: f"errno {end.errno}",
        lambda seen: f"errno {seen.errno}",
    ),
    Aspect(
        "close reasons",
        _always,
        lambda end: name(CloseReason, end.close_reason),
        lambda seen: name(CloseReason, seen.close_reason),
    ),
    Aspect(
        "adopted",
        lambda end: end.adopted,
        lambda end: "adopted",
        lambda seen: "adopted" if seen.adopted else "not adopted",
    ),
    Aspect(
        "life",
        _always,
        lambda end: _life(int(not end.adopted and not end.failed), 1, int(end.failed), int(end.adopted)),
        lambda seen: _life(seen.opened, seen.closed, seen.failed, seen.adopted),
    ),
    Aspect(
        "roles",
        lambda end: not end.adopted,
        lambda end: name(Role, end.role),
        lambda seen: name(Role, seen.role),
    ),
    Aspect(
        "retransmits",
        lambda end: end.kernel is not None,
        lambda end: (
            _retransmits(end.kernel.retransmitted_segments, end.kernel.retransmitted_bytes)
            if end.kernel
            else ""
        ),
        lambda seen: _retransmits(seen.retransmitted_segments, seen.retransmitted_bytes),
    ),
)


def _retransmits(segments: int, count: int) -> str:
    return f"{segments} segments of {count} bytes"


def evidence(seen: Seen) -> str:
    """How the reported owner was learnt."""
    return name(Evidence, seen.evidence)
