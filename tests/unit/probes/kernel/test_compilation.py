"""The compiler process: its failures are told clearly, and neither process nor descriptor is left of it."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.errors import ProbeError
from probes.kernel import compilation, compiler
from probes.kernel.image import Image, MapShape, ProgramImage
from probes.kernel.interruption import Interruption
from selftest.linux import unacknowledged

READ = (
    "import msgpack, os, signal, socket, sys, time\nc = socket.socket(fileno=int(sys.argv[1]))\nc.recv(65536)\n"
    "def answer(fields): c.sendall(msgpack.packb(fields))\n"
)
NOTHING = Image("GPL", {}, {})
Use = Callable[[str], None]


def open_descriptors() -> set[str]:
    """Numbers of what this process holds open; that of the listing itself comes and goes."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def child_processes() -> set[str]:
    """Processes of this one's, also those that ended and were not waited for; other tests may have some."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {child for task in tasks for child in task.read_text().split()}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Puts a script in the place of the compiler; afterwards no child and no descriptor may be left."""
    before, children = open_descriptors(), child_processes()

    def use(text: str) -> None:
        (tmp_path / "script.py").write_text(READ + text)
        monkeypatch.setattr(compiler, "__file__", str(tmp_path / "script.py"))

    yield use
    assert child_processes() == children
    assert open_descriptors() == before


def ask() -> Image:
    """Any request: the scripts do not look at it."""
    return compilation.compiled({"source": ""}, Interruption())


def test_the_image_is_what_the_answer_says(script: Use) -> None:
    """Also where it comes in many parts."""
    code = bytes(range(8)) * 100_000
    script(
        "code = bytes(range(8)) * 100_000\n"
        "program = {'code': code, 'loads': {3: 'cells'}, 'type_id': 7}\n"
        "answer({'license': 'GPL', 'maps': {'cells': [2, 4, 8, 16, 1024]}, 'programs': {'seen': program}})\n"
    )
    cells = MapShape(type=2, key_bytes=4, value_bytes=8, entries=16, flags=1024)
    assert ask() == Image("GPL", {"cells": cells}, {"seen": ProgramImage(code, {3: "cells"}, 7)})


def test_half_an_answer_is_none(script: Use) -> None:
    """It is an end without answer."""
    script("c.sendall(msgpack.packb({'license': 'GPL', 'maps': {}, 'programs': {}})[:-1])\n")
    with pytest.raises(ProbeError, match="ended early with exit code 0"):
        ask()


def test_an_end_without_answer_quotes_the_last_line(script: Use) -> None:
    """A Python error in the process is told by its last line; the whole of it is a note."""
    script("raise RuntimeError('odd')\n")
    with pytest.raises(ProbeError, match="ended early with exit code 1: RuntimeError: odd") as raised:
        ask()
    assert "Traceback" in raised.value.__notes__[0]


def test_a_killed_process_is_told_as_lack_of_memory(script: Use) -> None:
    """SIGKILL comes from the kernel's out-of-memory killer; other signals are named."""
    script("os.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(
        ProbeError, match=r"was killed, as the kernel does when memory runs out: it needs 190 MB"
    ):
        ask()
    script("os.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.raises(ProbeError, match="ended early by SIGSEGV: run `tailrace doctor`"):
        ask()


def test_a_process_that_hangs_is_killed(script: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer in time is an error of its own."""
    monkeypatch.setattr(compilation, "COMPILE_SECONDS", 0.3)
    script("time.sleep(60)\n")
    with pytest.raises(ProbeError, match=r"took longer than 0.3 s"):
        ask()


def test_a_process_that_answers_and_stays_is_killed(script: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer counts all the same."""
    monkeypatch.setattr(compilation, "END_SECONDS", 0.1)
    script("answer({'license': 'GPL', 'maps': {}, 'programs': {}})\ntime.sleep(60)\n")
    assert ask() == NOTHING


def test_an_interrupt_ends_the_process(script: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the compiler works leaves no process behind."""
    script("time.sleep(60)\n")

    def interrupt(_: socket.socket) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compilation, "_receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask()


@pytest.mark.parametrize(
    ("complaint", "message"),
    [
        (
            "could not open bpf map: cells, error: Operation not permitted",
            r"refuses the BPF map cells \(Operation not permitted\): run as root, or with CAP_BPF",
        ),
        (
            "could not open bpf map: cells, error: Cannot allocate memory",
            r"refuses the BPF map cells \(Cannot allocate memory\): lower tcp.slots",
        ),
        (
            "tcp.c:3:5: error: use of undeclared identifier 'x'\n1 error generated.",
            r"does not compile \(tcp.c:3:5: error: use of undeclared identifier 'x'\): run `tailrace doctor`",
        ),
    ],
)
def test_refusals_say_what_to_do(script: Use, complaint: str, message: str) -> None:
    """Rights, memory and the source are told apart by what bcc prints."""
    script(
        f"print({complaint!r}, file=sys.stderr, flush=True)\nanswer({{'error': 'compile', 'detail': ''}})\n"
    )
    with pytest.raises(ProbeError, match=message):
        ask()


def test_missing_bcc_is_named(script: Use) -> None:
    """The error names the package and why a plain virtual environment does not see it."""
    script("answer({'error': 'bcc_missing', 'detail': 'No module named bcc'})\n")
    with pytest.raises(ProbeError, match=r"No module named bcc.*apt-get install python3-bpfcc"):
        ask()


def test_no_folder_around_holds_modules(script: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file msgpack.py where Tailrace is started, or beside the compiler, is not imported."""
    folder = tmp_path / "started here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for place in (folder, tmp_path):
        (place / "msgpack.py").write_text("raise SystemExit(9)\n")
    script("answer({'license': 'GPL', 'maps': {}, 'programs': {}})\n")
    assert ask() == NOTHING


def test_the_compiler_dies_with_its_parent() -> None:
    """SIGKILL of the process that waits for the compiler ends the compiler, though its channel stays open."""
    ours, theirs = socket.socketpair()
    parent = (
        "import os, subprocess, sys\n"
        f"command = [sys.executable, '-P', {compiler.__file__!r}, '{theirs.fileno()}', str(os.getpid())]\n"
        f"child = subprocess.Popen(command, pass_fds=[{theirs.fileno()}])\n"
        "print(child.pid, flush=True)\nchild.wait()\n"
    )
    command = [sys.executable, "-c", parent]
    with (
        ours,
        theirs,
        subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()]) as process,
    ):
        assert process.stdout
        child = os.pidfd_open(int(process.stdout.readline()))
        ours.send(b"{")
        deadline = time.monotonic() + 10
        while unacknowledged(ours) and time.monotonic() < deadline:
            time.sleep(0.002)  # until the compiler reads its request: it is past its own start then
        process.send_signal(signal.SIGKILL)
        poll = select.poll()
        poll.register(child, select.POLLIN)
        ended = poll.poll(10_000)
        os.close(child)
    assert ended == [(child, select.POLLIN)]
