"""Known traffic of TCP and UDP on the loopback of the host and in network namespaces of its own."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from selftest.errors import TrafficError
from selftest.profile import FULL, Profile
from selftest.traffic.generator import Answer
from selftest.truth import Truth

CLEANUP_SECONDS: Final = 5.0


class Traffic:
    """The traffic, made by a process of its own and its children; nothing of it outlives them.

    Call `prepare`, start what is to be tested, call `run` and `finish`, and `cleanup` in any case. All of
    them block: call them in a thread from a program with an event loop.
    """

    def __init__(self, profile: Profile = FULL) -> None:
        self.profile = profile
        self._generator: subprocess.Popen[bytes] | None = None
        self._processes: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()

    @property
    def processes(self) -> list[int]:
        """The process ids of the generator and its children; some of those fork others for a moment."""
        return list(self._processes)

    def prepare(self) -> None:
        """Make the namespaces, the processes, and the sockets that exist before the start.

        :raises TrafficError: if this machine does not let us (root and iproute2 are needed).
        """
        if self._generator is not None:
            raise TrafficError("the traffic is prepared already", "call cleanup() before another prepare()")
        home = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH", ""))))
        self._generator = subprocess.Popen(
            [sys.executable, "-m", "selftest.traffic.generator", self.profile.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        self._watch(self._generator.pid)
        for pid in self._ask("prepare").processes:
            self._watch(pid)

    def _watch(self, pid: int) -> None:
        self._processes[pid] = os.pidfd_open(pid)

    def run(self) -> None:
        """Make the traffic; returns when all of it is done but for the sockets that stay open to the end.

        :raises TrafficError: if it did not go as planned.
        """
        self._ask("run")

    def finish(self) -> Truth:
        """Close what is open.

        :raises TrafficError: if it did not go as planned.
        """
        truth = self._ask("finish").truth
        if truth is None:
            raise TrafficError("the traffic generator brought no truth")
        return truth

    def _ask(self, word: str) -> Answer:
        if self._generator is None or self._generator.stdin is None or self._generator.stdout is None:
            raise TrafficError("there is no traffic generator", "call prepare() first")
        with contextlib.suppress(BrokenPipeError):
            self._generator.stdin.write(f"{word}\n".encode())
            self._generator.stdin.flush()
        line = self._generator.stdout.readline()
        if not line:
            raise TrafficError(f"the traffic generator died while it should {word}")
        answer = msgspec.json.decode(line, type=Answer)
        if answer.error:
            raise TrafficError(answer.error, answer.remedy)
        return answer

    def cleanup(self) -> None:
        """End every process of the traffic, at any time, also again; the namespaces end with them."""
        if self._generator is not None:
            if self._generator.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._generator.stdin.close()
            self._await_or_kill()
            self._generator.wait()
            if self._generator.stdout is not None:
                self._generator.stdout.close()
            self._generator = None

    def _await_or_kill(self) -> None:
        deadline = time.monotonic() + CLEANUP_SECONDS
        for descriptor in self._processes.values():  # the generator first: the others do not outlive it
            if not _ended(descriptor, deadline - time.monotonic()):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                _ended(descriptor, CLEANUP_SECONDS)
            os.close(descriptor)
        self._processes.clear()


def _ended(descriptor: int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(max(0.0, seconds) * 1000))
