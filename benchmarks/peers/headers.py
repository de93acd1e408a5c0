"""Kernel headers for bcc's own tools: the product's tree from BTF, and the names that these tools include."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from probes.kernel.headers import Headers, find_headers, write_tree

_EMPTY: Final = (
    "bcc/proto.h",
    "linux/fs.h",
    "linux/ipv6.h",
    "linux/sched.h",
    "linux/tcp.h",
    "net/inet_sock.h",
    "net/sock.h",
    "net/tcp.h",
    "net/tcp_states.h",
    "uapi/linux/if_ether.h",
    "uapi/linux/in.h",
    "uapi/linux/in6.h",
    "uapi/linux/ip.h",
    "uapi/linux/tcp.h",
)
#: What they expect of net/sock.h that no kernel type carries.
_SOCK: Final = "#pragma once\n#define AF_INET 2\n#define AF_INET6 10\n"


@contextlib.contextmanager
def bcc_environment() -> Iterator[Mapping[str, str]]:
    """Variables that a tool of bcc needs to compile here; none where kernel headers are installed.

    :raises ProbeError: if the kernel has neither BTF nor installed headers.
    """
    headers = find_headers()
    if headers.tree is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        write_tool_tree(Path(folder), headers)
        yield {"BCC_KERNEL_SOURCE": folder}


def write_tool_tree(tree: Path, headers: Headers) -> None:
    """Writes the tree: the dump of the kernel's types that is there already, and empty headers around it."""
    assert headers.tree is not None
    types = (headers.tree / "include/vmlinux.h").read_text()
    write_tree(tree, types, os.uname().release)
    include = tree / "include"
    for name in _EMPTY:
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text("#pragma once\n")
    (include / "net/sock.h").write_text(_SOCK)


def script_environment() -> Mapping[str, str]:
    """The same for the peers' own programs, which get by with the product's tree."""
    headers = find_headers()
    return {"BCC_KERNEL_SOURCE": str(headers.tree)} if headers.tree else {}
