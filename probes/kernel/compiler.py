"""Compiles BPF in a process of its own, which hands over the descriptors and takes LLVM with it when it ends.

Run as a script with the arguments SOCKET PARENT by ``probes.kernel.compilation``: reads a request, answers with
descriptors. The only importer of bcc; imports nothing else of Tailrace.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any

#: Descriptors of one message: the kernel's SCM_MAX_FD is 253.
MAX_DESCRIPTORS = 250

#: prctl(2): the signal to get when the parent ends (kernel: include/uapi/linux/prctl.h).
_PR_SET_PDEATHSIG = 1


def compile_programs(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Compiles, creates the maps, loads each program on its own.

    The answer names each descriptor in the order of the list. A program that the kernel refuses has its reason in
    ``refused``; one that the source does not have is ``missing``. A source that does not compile is an ``error`` and
    no descriptors.
    """
    if request["tree"]:
        os.environ["BCC_KERNEL_SOURCE"] = request["tree"]
    try:
        import bcc
    except (ImportError, OSError) as error:  # OSError: the Python part is there, libbcc is not
        return {"error": "bcc_missing", "detail": str(error)}, []
    if not hasattr(bcc, "BPF"):
        return {"error": "bcc_missing", "detail": f"{bcc.__file__} is another package of that name"}, []
    try:
        module = bcc.BPF(text=request["source"], cflags=request["cflags"])
    except Exception as error:  # noqa: BLE001 - bcc raises plain Exception for whatever clang says
        return {"error": "compile", "detail": str(error)}, []
    maps = {name: module[name].map_fd for name in request["maps"]}
    there = {name: kind for name, kind in request["programs"].items() if _has(bcc, module, name)}
    programs, refused = _load(module, there)
    descriptors = [*maps.values(), *programs.values()]
    # The module closes its descriptors when it is collected; copies travel.
    missing = [name for name in request["programs"] if name not in there]
    names = {"maps": list(maps), "programs": list(programs), "refused": refused, "missing": missing}
    return names, [os.dup(fd) for fd in descriptors]


def _has(bcc: Any, module: Any, name: str) -> bool:
    """Whether the source has a program of this name."""
    return bool(bcc.lib.bpf_function_start(module.module, name.encode()))


def _load(module: Any, wanted: dict[str, list[int]]) -> tuple[dict[str, int], dict[str, str]]:
    """Loads programs, each with its type and where it is attached (``probes.kernel.program_types``)."""
    programs: dict[str, int] = {}
    refused: dict[str, str] = {}
    for name, (kind, attach) in wanted.items():
        with tempfile.TemporaryFile() as log:
            try:
                with _stderr_to(log.fileno()):
                    programs[name] = module.load_func(name, kind, attach_type=attach).fd
            except Exception as error:  # noqa: BLE001 - bcc raises plain Exception for whatever the verifier says
                refused[name] = _verdict(log) or str(error)
    return programs, refused


@contextlib.contextmanager
def _stderr_to(fd: int) -> Iterator[None]:
    """bcc prints what the verifier says."""
    kept = os.dup(2)
    os.dup2(fd, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _verdict(log: IO[bytes]) -> str:
    """The last sentence of the verifier's log; the figures behind it are of no use to the reader."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    words = [line for line in lines if not line.startswith(("processed ", "HINT"))]
    return words[-1] if words else ""


def _die_with(parent: int) -> None:
    """Ends this process when the thread that started it ends, also if it has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Answers one request on the socket whose descriptor number is the first argument."""
    _die_with(int(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as channel, channel.makefile("rb") as reader:
        try:
            answer, descriptors = compile_programs(json.loads(reader.readline()))
        except OSError as error:
            answer, descriptors = {"error": "system", "errno": error.errno, "detail": error.strerror}, []
        body = json.dumps(answer).encode() + b"\n"
        socket.send_fds(channel, [body[:1]], descriptors[:MAX_DESCRIPTORS])
        channel.sendall(body[1:])


if __name__ == "__main__":
    main()
