"""Stands in the guest where the compiler stands: asks the host (``compiling.py``) for what would take minutes there.

The numbers of the kernel's types are the guest's own. A request without headers made of BTF is left to the compiler.
"""

import ctypes
import importlib
import os
import socket
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgpack

#: Where guest.sh puts the folder that the host sees, and the compiler itself.
FOLDER: Final = Path("/tmp/results/compile")
COMPILER: Final = Path("/tmp/compiler.py")


def main() -> None:
    """As that of the compiler: answers one request on the socket whose descriptor is the first argument."""
    sys.path.insert(0, str(COMPILER.parent))
    compiler = importlib.import_module(COMPILER.stem)
    compiler._die_with(int(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as channel, channel.makefile("rb") as reader:
        request = msgpack.unpackb(reader.read())
        by_host = request["tree"]
        said = _asked(request, compiler) if by_host else msgpack.packb(compiler.compile_programs(request))
        channel.sendall(said)


def _asked(request: dict[str, Any], compiler: Any) -> bytes:
    path = FOLDER / f"{os.getpid()}-{time.monotonic_ns()}.request"
    whole = path.with_suffix(".new")
    whole.write_bytes(msgpack.packb({**request, "tree": _packed(Path(request["tree"]))}))
    whole.rename(path)
    answer = path.with_suffix(".answer")
    while not answer.exists():
        time.sleep(0.05)
    said = msgpack.unpackb(answer.read_bytes())
    sys.stderr.buffer.write(said["complaints"])
    image = msgpack.unpackb(said["answer"], strict_map_key=False)
    library = SimpleNamespace(lib=ctypes.CDLL("libbpf.so.1"))
    for name, program in image.get("programs", {}).items():
        program["type_id"] = compiler._type_id(library, name)
    packed: bytes = msgpack.packb(image)
    return packed


def _packed(tree: Path) -> str:
    """The archive of a tree, by the tree's name; another process may be writing the same."""
    archive = FOLDER / f"{tree.name}.tar"
    if not archive.exists():
        whole = archive.with_suffix(f".{os.getpid()}")
        with tarfile.open(whole, "w") as packed:
            packed.add(tree, ".")
        whole.rename(archive)
    return archive.name


if __name__ == "__main__":
    main()
