"""Compiles for the guest on its host, which has real processors: emulated, each start would take minutes.

The guest's compiler is ``remote_compiler.py``: it writes a request into a folder that both see, with the headers that
the guest made of its own kernel's types, and waits for the answer. The compiler that answers is that of the project.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgpack

from probes.kernel import compiler

#: How often the folder is looked at.
_PAUSE_SECONDS: Final = 0.05


@contextlib.contextmanager
def answered(folder: Path) -> Iterator[None]:
    """Requests in a folder are answered as long as the block runs.

    :param folder: is made; headers are unpacked beside it.
    """
    folder.mkdir()
    over = threading.Event()
    thread = threading.Thread(target=_answer_all, args=(folder, over), name="compiler of the guest")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _answer_all(folder: Path, over: threading.Event) -> None:
    with tempfile.TemporaryDirectory(prefix="tailrace-guest-headers-") as trees:
        while not over.wait(_PAUSE_SECONDS):
            for path in sorted(folder.glob("*.request")):
                answer = _answer(msgpack.unpackb(path.read_bytes()), folder, Path(trees))
                path.unlink()
                whole = path.with_suffix(".part")
                whole.write_bytes(msgpack.packb(answer))
                whole.rename(path.with_suffix(".answer"))


def _answer(request: dict[str, Any], folder: Path, trees: Path) -> dict[str, Any]:
    """What the compiler answers, and what it complains of."""
    archive = request["tree"]
    tree = trees / archive
    if not tree.exists():
        with tarfile.open(folder / archive) as packed:
            packed.extractall(tree)
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as complaints:
        with theirs:
            command = [sys.executable, "-P", compiler.__file__, str(theirs.fileno()), str(os.getpid())]
            process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdout=complaints, stderr=complaints
            )
        ours.sendall(msgpack.packb({**request, "tree": str(tree)}))
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as reader:
            said = reader.read()
        process.wait()
        complaints.seek(0)
        return {"answer": said, "complaints": complaints.read()}
