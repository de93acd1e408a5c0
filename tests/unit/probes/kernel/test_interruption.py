"""What one thread does ends because another one says so, and so does the process that it waits for."""

import subprocess
import threading

import pytest

from probes.kernel.interruption import Interruption, NotWantedError

ENDLESS = ["sleep", "infinity"]


def test_a_process_that_is_awaited_is_killed() -> None:
    """The thread that waits for it goes on with the word that nobody wants it any more."""
    subject, child = Interruption(), subprocess.Popen(ENDLESS)
    waits, ended = threading.Event(), []

    def work() -> None:
        try:
            with subject.awaiting(child):
                waits.set()
                raise RuntimeError(f"it ended with {child.wait()}")
        except NotWantedError as error:
            ended.append(str(error.__context__))

    thread = threading.Thread(target=work)
    thread.start()
    waits.wait()
    subject.ask()
    thread.join()
    assert ended == ["it ended with -9"]


def test_what_is_not_wanted_before_it_begins_does_not_begin() -> None:
    """The process is whose who started it."""
    subject, child = Interruption(), subprocess.Popen(ENDLESS)
    try:
        subject.ask()
        with pytest.raises(NotWantedError), subject.awaiting(child):
            pytest.fail("it waits")
    finally:
        child.kill()
        assert child.wait() == -9


def test_what_nobody_asked_for_raises_its_own_error() -> None:
    """An error is not taken for the end that was asked for."""
    subject, child = Interruption(), subprocess.Popen(["true"])
    with pytest.raises(RuntimeError, match="own"), subject.awaiting(child):
        raise RuntimeError("own")
    subject.check()
    assert child.wait() == 0
