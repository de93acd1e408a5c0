"""When receives are looked at: while a socket that sends nothing gets datagrams, and not for ever in vain."""

import contextlib

import pytest

from model.probe import Hook
from probes.kernel.attach import Attached
from probes.kernel.loader import Loaded
from probes.udp.probe import READERS
from probes.udp.readers import LINGER_S, PATIENCE_S, PAUSE_S, ReaderHook

WAY = READERS.alternatives[0]


class Bench:
    """A hook that attaches in name only, a clock, and the readers that were seen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.seen = 1000.0, 0
        loaded = Loaded({}, {}, {})
        monkeypatch.setattr(loaded, "attach_hook", attached)
        monkeypatch.setattr(loaded, "set_aside", lambda hook: loaded.attached.clear())
        loaded.attached.append(attached(WAY))
        self.loaded = loaded
        self.hook = ReaderHook(loaded, lambda: self.seen, lambda: self.now)

    def look(self, seconds: int, *, waiting: bool) -> bool:
        """Once a second; whether it runs in the end."""
        for _ in range(seconds):
            self.now += 1
            self.hook.look(waiting=waiting)
            assert self.hook.attached == bool(self.loaded.attached)
        return self.hook.attached


def attached(hook: Hook) -> Attached:
    """Held by nothing."""
    made = Attached()
    made.links[hook] = -1
    return made


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_it_is_set_aside_until_somebody_waits(bench: Bench) -> None:
    """It was attached with all others, to see whether the kernel takes it."""
    assert not bench.loaded.attached
    assert not bench.look(5, waiting=False)
    assert bench.look(1, waiting=True)


def test_it_goes_when_nobody_has_waited_for_long(bench: Bench) -> None:
    """Flows that nobody answers rest as long."""
    assert bench.look(1, waiting=True)
    assert bench.look(LINGER_S, waiting=False)
    assert not bench.look(1, waiting=False)
    assert bench.look(1, waiting=True)


def test_datagrams_that_nobody_reads_do_not_keep_it(bench: Bench) -> None:
    """It comes back after a pause: the reader may have been slow."""
    assert bench.look(1 + PATIENCE_S, waiting=True)
    assert not bench.look(1, waiting=True)
    assert not bench.look(PAUSE_S - 1, waiting=True)
    assert bench.look(1, waiting=True)


def test_a_reader_that_is_seen_renews_its_patience(bench: Bench) -> None:
    """As long as there is one now and then, all are looked for."""
    for _ in range(10):
        assert bench.look(PATIENCE_S, waiting=True)
        bench.seen += 1


def test_a_kernel_without_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the ways was taken."""
    bench = Bench(monkeypatch)
    with contextlib.closing(Loaded({}, {}, {})) as bare:
        hook = ReaderHook(bare, lambda: 0, lambda: bench.now)
        hook.look(waiting=True)
        assert not hook.attached
