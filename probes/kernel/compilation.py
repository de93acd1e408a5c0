"""Runs the compiler process (``probes.kernel.compiler``): a request, an answer with descriptors, no process left."""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from model.errors import LACKING, ProbeError
from probes.kernel import compiler
from probes.kernel.interruption import Interruption

COMPILE_SECONDS = 600
#: How long the process may take to end once it has answered.
END_SECONDS = 5
#: What the process holds at its peak: LLVM and all types of the kernel (measured with bcc 0.26, Linux 6.18).
COMPILER_BYTES = 190 << 20

_MAP_REFUSED = re.compile(r"could not open bpf map: (\w+), error: (.+)")
_MAP_REMEDIES = {
    "Operation not permitted": "run as root, or with CAP_BPF and CAP_PERFMON",
    "Cannot allocate memory": "lower tcp.slots, or raise the memory limit of this cgroup",
    os.strerror(errno.EMFILE): LACKING[errno.EMFILE],
}


def ask_compiler(request: dict[str, Any], interruption: Interruption) -> tuple[dict[str, Any], list[int]]:
    """The answer of ``compile_programs`` to a request, and its descriptors, which the caller closes.

    :raises NotWantedError: if it is interrupted; the process is gone.
    :raises ProbeError: if bcc is missing, the source does not compile, the kernel gives no maps, or the
        process ends early or takes longer than COMPILE_SECONDS.
    """
    ours, theirs = socket.socketpair()
    with (
        ours,
        tempfile.TemporaryFile() as complaints,
        _running(theirs, complaints) as child,
        interruption.awaiting(child),
    ):
        ours.settimeout(COMPILE_SECONDS)
        try:
            ours.sendall(json.dumps(request).encode() + b"\n")
            answer, descriptors = _receive(ours)
        except TimeoutError as error:
            what = f"the BPF compiler took longer than {COMPILE_SECONDS} s"
            raise ProbeError(what, "try again when this machine has a processor to spare") from error
        except (OSError, ValueError) as error:
            raise _ended_early(child, _text(complaints)) from error
        if "error" in answer:
            raise _refusal(answer, _text(complaints))
        return answer, descriptors


@contextlib.contextmanager
def _running(theirs: socket.socket, complaints: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, with its end of the channel; it has ended and is reaped when the block is left.

    Started by its path and with ``-P`` it searches neither the folder of the script nor the current one for
    modules: as root it must not import what lies around.
    """
    with theirs:
        command = [sys.executable, "-P", compiler.__file__, str(theirs.fileno()), str(os.getpid())]
        child = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=complaints,
            stderr=complaints,
        )
    try:
        yield child
    except BaseException:
        child.kill()
        raise
    finally:
        _exit_code(child)


def _exit_code(child: subprocess.Popen[bytes]) -> int | None:
    """None if it had to be killed because it did not end by itself."""
    try:
        return child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:  # also when interrupted: no process is left behind
        child.kill()
        child.wait()


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The answer, ended by a newline; its first byte carries the descriptors."""
    body, descriptors, _, _ = socket.recv_fds(channel, 65536, compiler.MAX_DESCRIPTORS)
    try:
        for fd in descriptors:  # recv_fds of Python 3.11 passes no flags on, so MSG_CMSG_CLOEXEC is of no use
            os.set_inheritable(fd, False)
        while body and not body.endswith(b"\n"):
            more = channel.recv(65536)
            if not more:
                break
            body += more
        answer: dict[str, Any] = json.loads(body)
        _check_count(answer, len(descriptors))
    except BaseException:
        for fd in descriptors:
            os.close(fd)
        raise
    return answer, list(descriptors)


def _check_count(answer: dict[str, Any], received: int) -> None:
    """The kernel leaves away what the receiver may not open (unix(7), SCM_RIGHTS)."""
    expected = len(answer.get("maps", ())) + len(answer.get("programs", ()))
    if received != expected:
        what = f"only {received} of {expected} descriptors could be opened"
        raise ProbeError(what, "raise the limit of open files (ulimit -n)")


def _text(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip()


def _ended_early(child: subprocess.Popen[bytes], complaint: str) -> ProbeError:
    """Its channel was closed without an answer: by a signal, or by a Python error whose last line tells."""
    code = _exit_code(child)
    if code is None:
        return ProbeError("the BPF compiler gave no answer", "run `tailrace doctor`")
    if code == -signal.SIGKILL:
        need = f"it needs {COMPILER_BYTES >> 20} MB for some seconds: free memory or raise the cgroup's limit"
        return ProbeError("the BPF compiler was killed, as the kernel does when memory runs out", need)
    end = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    error = ProbeError(
        f"the BPF compiler ended early {end}", _last_line(complaint) or "run `tailrace doctor`"
    )
    error.add_note(complaint)
    return error


def _refusal(answer: dict[str, Any], complaint: str) -> ProbeError:
    detail = str(answer["detail"])
    if answer["error"] == "bcc_missing":
        remedy = "apt-get install python3-bpfcc, in a virtual environment made with --system-site-packages"
        return ProbeError(f"bcc is missing ({detail})", remedy)
    if answer["error"] == "system":
        remedy = LACKING.get(answer["errno"], "run `tailrace doctor`")
        return ProbeError(f"the BPF compiler cannot work ({detail})", remedy)
    if refused := _MAP_REFUSED.search(complaint):
        name, reason = refused.groups()
        remedy = _MAP_REMEDIES.get(reason, "run `tailrace doctor`")
        return ProbeError(f"the kernel refuses the BPF map {name} ({reason})", remedy)
    first = next((line.strip() for line in complaint.splitlines() if "error:" in line), "")
    error = ProbeError(
        f"BPF does not compile ({first or _last_line(complaint) or detail})", "run `tailrace doctor`"
    )
    error.add_note(complaint)
    return error


def _last_line(text: str) -> str:
    return text.splitlines()[-1].strip() if text else ""
