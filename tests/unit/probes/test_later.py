"""Programs that run in processes: loaded once, when the first is wanted; what cannot be had is said once."""

import errno

import pytest

from model.errors import ProbeError
from model.probe import Hook, Place
from probes.kernel import attach
from probes.kernel.interruption import NotWantedError
from probes.kernel.loader import Loaded
from probes.later import LaterPrograms

HOOK = Hook("tls_read", kind="uprobe", place=Place("/nowhere", offset=16))


def test_they_are_loaded_once() -> None:
    """Before the first of them is attached."""
    loaded, times = Loaded({}, {}, {}, later=frozenset({"tls_read"})), []

    def load() -> None:
        times.append(1)
        loaded.refused["tls_read"] = "too complex"

    programs = LaterPrograms(loaded, load)
    for _ in range(2):
        with pytest.raises(ProbeError, match="the kernel refused the program: too complex"):
            programs.attach(HOOK)
    assert (times, loaded.later) == ([1], frozenset())


def test_what_cannot_be_had_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each that asks gets the reason; nothing is tried again."""
    loaded = Loaded({}, {}, {}, later=frozenset({"tls_read"}))

    def load() -> None:
        raise ProbeError("bcc is missing", "install it")

    programs = LaterPrograms(loaded, load)
    for _ in range(2):
        with pytest.raises(ProbeError, match="bcc is missing"):
            programs.attach(HOOK)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "bcc is missing (install it)"
    ]


def test_an_interruption_leaves_them_for_later() -> None:
    """It is no reason why they cannot be had."""
    loaded = Loaded({}, {}, {}, later=frozenset({"tls_read"}))

    def load() -> None:
        raise NotWantedError

    with pytest.raises(NotWantedError):
        LaterPrograms(loaded, load).attach(HOOK)
    assert loaded.later == {"tls_read"}
    assert not loaded.absent


def test_parts_that_come_later_do_not_refuse_a_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is attached."""
    names: list[str] = []

    def refuse(_program: int, name: str) -> int:
        names.append(name)
        raise OSError(errno.ENOENT, "")

    monkeypatch.setattr(attach, "attach_raw_tracepoint", refuse)
    part = Hook("tls_read", kind="probe_part")
    loaded = Loaded({}, {"executed": 0}, {}, later=frozenset({"tls_read"}))
    with pytest.raises(ProbeError, match="no such tracepoint"):
        loaded.attach_hook(Hook("executed", "sched_process_exec", others=(part,)))
    assert names == ["sched_process_exec"]
