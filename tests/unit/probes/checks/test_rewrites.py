"""What `tailrace doctor` says of NAT rewrites, on machines that are not this one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from probes.checks import rewrites as conntrack_check
from probes.checks.check import Check
from probes.checks.rewrites import check_rewrites, with_rewrites
from probes.conntrack.config import NatConfig
from probes.conntrack.probe import KPROBES

ALL = frozenset({"CAP_NET_ADMIN", "CAP_NET_BROADCAST", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"})


class Closable:
    """In place of a socket."""

    def close(self) -> None:
        """Nothing to close."""


Machine = Callable[[frozenset[str], int], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with conntrack, these rights and this mode of events."""

    def made(rights: frozenset[str], mode: int) -> None:
        monkeypatch.setattr(conntrack_check, "COUNT", Path("/dev/null"))
        monkeypatch.setattr(conntrack_check, "read_capabilities", lambda: rights)
        monkeypatch.setattr(conntrack_check, "events_mode", lambda: mode)
        monkeypatch.setattr(conntrack_check, "open_listener", lambda _: Closable())

    return made


@pytest.mark.parametrize(
    ("rights", "mode", "status", "words"),
    [
        (ALL, 1, "ok", "events of ctnetlink"),
        (ALL, 2, "ok", "ends of entries of before the start are seen within a minute"),
        (ALL, 0, "degraded", "conntrack makes no events here"),
        (frozenset(), 1, "degraded", "no CAP_NET_ADMIN and CAP_NET_BROADCAST and CAP_SYS_ADMIN"),
        (ALL - {"CAP_NET_BROADCAST"}, 1, "degraded", "no CAP_NET_BROADCAST"),
    ],
)
def test_rights_and_events(
    machine: Machine, rights: frozenset[str], mode: int, status: str, words: str
) -> None:
    """What is missing is named with its cost; none of it keeps the main job from running."""
    machine(rights, mode)
    check = check_rewrites(NatConfig())
    assert (check.status, check.fatal) == (status, False)
    assert words in check.detail
    assert bool(check.cost) == bool(check.remedy) == (status == "degraded")


def test_without_conntrack_nothing_is_rewritten(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything missing; and whoever turned it off is told so."""
    machine(ALL, 1)
    assert check_rewrites(NatConfig(source="off")).detail == "nat.source is off"
    monkeypatch.setattr(conntrack_check, "COUNT", Path("/nonexistent"))
    assert check_rewrites(NatConfig()).status == "not needed"


def test_a_kernel_without_ctnetlink(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the kernel, and the module that mends it."""
    machine(ALL, 1)

    def refused(_: int) -> Closable:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(conntrack_check, "open_listener", refused)
    check = check_rewrites(NatConfig())
    assert "Protocol not supported" in check.detail
    assert check.remedy == "modprobe nf_conntrack_netlink"


def test_rewrites_have_one_line(machine: Machine) -> None:
    """That of kprobes where the trial took them; else that of ctnetlink, with why not; all as it was configured."""
    machine(ALL, 1)
    other, taken = Check("trial", "ok", "1 s"), Check("NAT rewrites", "ok", KPROBES.name)
    refused = Check("NAT rewrites", "ok", "ctnetlink (refused: kprobe f: the kernel has no kprobes)")
    assert with_rewrites(NatConfig(), [taken, other]) == [other, taken]
    told = with_rewrites(NatConfig(), [refused, other])[1]
    assert told.detail == "events of ctnetlink (refused: kprobe f: the kernel has no kprobes)"
    assert with_rewrites(NatConfig("netlink"), [taken, other])[1].detail == "events of ctnetlink"
    assert with_rewrites(NatConfig("off"), [taken])[0].detail == "nat.source is off"
    assert with_rewrites(NatConfig(), [other])[1].detail == "events of ctnetlink"
