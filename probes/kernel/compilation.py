"""Runs the compiler process (``probes.kernel.compiler``): a request, an image, no process left."""

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import msgpack

from model.errors import LACKING, ProbeError
from probes.kernel import compiler
from probes.kernel.image import Image, image_of
from probes.kernel.interruption import Interruption

COMPILE_SECONDS = 600
#: How long the process may take to end once it has answered.
END_SECONDS = 5
#: What the process holds at its peak: LLVM and all types of the kernel (measured with bcc 0.26, Linux 6.18).
COMPILER_BYTES = 190 << 20
#: Of an answer at most; some 200 kB are usual.
_ANSWER_BYTES = 64 << 20

_MAP_REFUSED = re.compile(r"could not open bpf map: (\w+), error: (.+)")
_MAP_REMEDIES = {
    "Operation not permitted": "run as root, or with CAP_BPF and CAP_PERFMON",
    "Cannot allocate memory": "lower tcp.slots, or raise the memory limit of this cgroup",
    os.strerror(errno.EMFILE): LACKING[errno.EMFILE],
}


def compiled(request: dict[str, Any], interruption: Interruption) -> Image:
    """The image of a request's source.

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
            ours.sendall(msgpack.packb(request))
            ours.shutdown(socket.SHUT_WR)
            answer = _receive(ours)
        except TimeoutError as error:
            what = f"the BPF compiler took longer than {COMPILE_SECONDS} s"
            raise ProbeError(what, "try again when this machine has a processor to spare") from error
        except (OSError, ValueError) as error:
            raise _ended_early(child, complaints) from error
        if "error" in answer:
            raise _refusal(answer, _text(complaints))
        return image_of(answer)


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


def _receive(channel: socket.socket) -> dict[str, Any]:
    """The answer: one message, known whole before the process ends.

    :raises ValueError: if it ends before that.
    """
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=_ANSWER_BYTES)
    while data := channel.recv(1 << 16):
        unpacker.feed(data)
        for answer in unpacker:
            return dict(answer)
    raise ValueError("no whole answer")


def _text(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip()


def _ended_early(child: subprocess.Popen[bytes], complaints: IO[bytes]) -> ProbeError:
    """Its channel was closed without an answer: by a signal, or by a Python error whose last line tells."""
    code = _exit_code(child)  # what it has to say may come behind the end of the channel
    complaint = _text(complaints)
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
        return map_refused(*refused.groups())
    first = next((line.strip() for line in complaint.splitlines() if "error:" in line), "")
    error = ProbeError(
        f"BPF does not compile ({first or _last_line(complaint) or detail})", "run `tailrace doctor`"
    )
    error.add_note(complaint)
    return error


def map_refused(name: str, reason: str) -> ProbeError:
    """The kernel gives no such map.

    :param reason: in the words of strerror(3).
    """
    what = f"the kernel refuses the BPF map {name} ({reason})"
    return ProbeError(what, _MAP_REMEDIES.get(reason, "run `tailrace doctor`"))


def _last_line(text: str) -> str:
    return text.splitlines()[-1].strip() if text else ""
