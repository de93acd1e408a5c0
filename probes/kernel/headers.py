"""Kernel headers for bcc: made from the running kernel's BTF, or the installed ones where there is no BTF."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model.errors import ProbeError
from probes.kernel.helper_ids import missing_helpers

BTF = Path("/sys/kernel/btf/vmlinux")
#: What the kernel's own types lack of conntrack, where that is a module.
CONNTRACK_BTF = BTF.with_name("nf_conntrack")
#: Names the build of the running kernel, also where two builds share a release.
BUILD_NOTES = Path("/sys/kernel/notes")

#: What bcc's own headers and its built-in prologue include; the BTF dump has the types already.
_EMPTY = (
    "linux/log2.h",
    "linux/types.h",
    "linux/bpf.h",
    "linux/bpf_common.h",
    "uapi/linux/bpf.h",
    "uapi/linux/if_packet.h",
    "uapi/linux/ptrace.h",
)
#: cgroup v1 controllers that containers always have, best first.
_CONTROLLERS = ("memory_cgrp_id", "pids_cgrp_id", "cpu_cgrp_id")
#: Says in a tree, and to bpf/nat.c, that ``struct nf_conn`` is known.
_CONNTRACK = "#define CONNTRACK_TYPES 1"
#: Says that ``struct mptcp_sock`` and that of its subflows are known.
_MPTCP = "#define MPTCP_TYPES 1"
#: Says that the tracepoints sock_recv_length and sock_send_length are there (Linux 6.3): BTF has a type for each.
_LENGTHS = "#define SOCK_LENGTHS 1"
#: Say that packets are freed with a reason (Linux 5.17), and for which socket (6.11).
_REASONS = "#define DROP_REASON_NAMES 1"
_RECEIVER = "#define DROP_RECEIVER 1"
#: Changes with what write_tree() makes of the same types.
_FORMAT = b"6"
#: In a tree: the sizes of its files, a line for each.
_SIZES = "sizes"


@dataclass(frozen=True)
class Headers:
    """Where bcc finds the kernel's types.

    :param source: ``btf`` or ``installed``.
    :param tree: for ``BCC_KERNEL_SOURCE``; None lets bcc look in /lib/modules.
    """

    source: str
    tree: Path | None


def cache_root() -> Path:
    """Where header trees are kept: the first of these that can be written to.

    ``$CACHE_DIRECTORY`` (systemd.exec(5)), /var/cache/tailrace, ``$XDG_CACHE_HOME``, ``~/.cache``.
    """
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    places = [Path("/var/cache/tailrace")]
    user = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if user.is_absolute():  # another counts as none: XDG Base Directory Specification
        places.append(user / "tailrace")
    with contextlib.suppress(RuntimeError):  # neither $HOME nor an entry in /etc/passwd
        places.append(Path("~/.cache/tailrace").expanduser())
    return next(filter(_writable, places), places[0])


def _writable(folder: Path) -> bool:
    """Whether ``folder`` can be written to, or be made."""
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    return os.access(there, os.W_OK | os.X_OK)


def find_source() -> str:
    """``btf`` or ``installed``: where the kernel's types come from; empty if from nowhere."""
    if BTF.exists():
        return "btf"
    return "installed" if installed_headers().exists() else ""


def installed_headers() -> Path:
    """Where a distribution's headers for the running kernel are."""
    return Path("/lib/modules", os.uname().release, "build")


def find_bpftool() -> str | None:
    """The path of bpftool; distributions keep it in /usr/sbin, which users other than root do not search."""
    return shutil.which("bpftool", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def no_headers() -> ProbeError:
    """What is wrong when ``find_source`` finds nothing."""
    return ProbeError(
        "the kernel has neither BTF nor installed headers",
        f"apt-get install linux-headers-{os.uname().release}, or boot a kernel with CONFIG_DEBUG_INFO_BTF",
    )


def find_headers() -> Headers:
    """The best source of kernel types on this machine, made if it is not there yet.

    :raises ProbeError: if the kernel has no BTF and no headers are installed, or bpftool is missing.
    """
    source = find_source()
    if not source:
        raise no_headers()
    return Headers(source, _btf_tree() if source == "btf" else None)


def build_key() -> str:
    """Names the running kernel's build."""
    name = os.uname()
    notes = BUILD_NOTES.read_bytes() if BUILD_NOTES.exists() else b""
    digest = hashlib.sha256("\0".join((name.release, name.version, name.machine)).encode() + notes + _FORMAT)
    return f"{name.release}-{digest.hexdigest()[:16]}"


def tree_path() -> Path:
    """Where the tree made from the running kernel's BTF is kept; another build of the kernel has another."""
    return cache_root() / "headers" / build_key()


def is_complete(tree: Path) -> bool:
    """Whether a tree is there, as it was written.

    Trees appear whole, under their names, or not at all; but where the power failed soon after, files may be empty.
    """
    try:
        sizes = [line.split(" ", 1) for line in (tree / _SIZES).read_text().splitlines()]
        whole = all((tree / name).stat().st_size == int(size) for size, name in sizes)
    except (OSError, ValueError):
        return False
    return whole and bool(sizes) and os.access(tree / "include/linux/kconfig.h", os.R_OK)


def knows_conntrack(headers: Headers) -> bool:
    """Whether the types of conntrack are among them: kernels that have it as a module may keep them there."""
    return headers.tree is None or _CONNTRACK in (headers.tree / "include/linux/kconfig.h").read_text()


def knows_mptcp(headers: Headers) -> bool:
    """Whether the types of MPTCP are among them: no installed header has them."""
    return headers.tree is not None and _MPTCP in (headers.tree / "include/linux/kconfig.h").read_text()


def knows_lengths(headers: Headers) -> bool:
    """Whether the kernel has tracepoints behind reads and writes, as far as its BTF tells."""
    return headers.tree is not None and _LENGTHS in (headers.tree / "include/linux/kconfig.h").read_text()


def knows_reasons(headers: Headers) -> bool:
    """Whether the kernel says why it frees packets, as far as its BTF tells."""
    return headers.tree is not None and _REASONS in (headers.tree / "include/linux/kconfig.h").read_text()


def drop_reasons(headers: Headers) -> dict[str, int]:
    """The running kernel's reasons for which packets are dropped, by name, without their common beginning."""
    types = (headers.tree / "include/vmlinux.h").read_text() if headers.tree else ""
    found = re.search(r"^enum skb_drop_reason \{(.*?)^\}", types, re.S | re.M)
    values = re.findall(r"SKB_(?:DROP_REASON_)?(\w+) = (\d+)", found[1]) if found else []
    return {name: int(value) for name, value in values}


def _btf_tree() -> Path:
    tree = tree_path()
    if not is_complete(tree):
        _make_tree(tree, _dump_btf())
    if not CONNTRACK_BTF.exists() or knows_conntrack(Headers("btf", tree)):
        return tree
    return _conntrack_tree(tree) or tree


def _conntrack_tree(plain: Path) -> Path | None:
    """The same with the types of the module; None if bpftool gives these alone, as some versions do."""
    tree = plain.with_name(f"{plain.name}-conntrack")
    if not is_complete(tree):
        types = _dump_btf(CONNTRACK_BTF)
        if not _conntrack(types) or "\nstruct tcp_sock {" not in types:
            return None
        _make_tree(tree, types)
    return tree


def _make_tree(tree: Path, types: str) -> None:
    try:
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent, ignore_cleanup_errors=True) as folder:
            scratch = Path(folder, "tree")
            write_tree(scratch, types, os.uname().release)
            _move(scratch, tree)
    except OSError as error:
        remedy = "give it a writable folder with 10 MB of space"
        raise ProbeError(f"cannot keep kernel headers in {tree.parent} ({error.strerror})", remedy) from error


def _move(scratch: Path, tree: Path) -> None:
    """Gives a tree its name. One that another process made meanwhile stays: it may be in use already."""
    try:
        scratch.rename(tree)
    except OSError:  # rename(2) replaces no folder that holds something
        if is_complete(tree):
            return
        shutil.rmtree(tree, ignore_errors=True)
        scratch.rename(tree)


def _dump_btf(module: Path | None = None) -> str:
    """The kernel's types as C; with those of a module behind them."""
    bpftool = find_bpftool()
    if bpftool is None:
        raise ProbeError("bpftool is missing", "apt-get install bpftool (Ubuntu: linux-tools-generic)")
    base = ["--base-btf", str(BTF)] if module else []
    command = [bpftool, *base, "btf", "dump", "file", str(module or BTF), "format", "c"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except OSError as error:
        raise ProbeError(f"cannot run {bpftool} ({error.strerror})", "install bpftool anew") from error
    except subprocess.CalledProcessError as error:
        text = " ".join(error.stderr.split())
        remedy = f"install the bpftool of this kernel, {os.uname().release}"
        raise ProbeError(f"bpftool cannot dump {BTF} ({text})", remedy) from error


def write_tree(tree: Path, types: str, release: str) -> None:
    """Writes the few headers that bcc asks for around a dump of the kernel's types."""
    include = tree / "include"
    for name in (*_EMPTY, "linux/version.h", "linux/kconfig.h", "asm/page.h"):
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text("#pragma once\n")
    (include / "vmlinux.h").write_text(types)
    _append(include / "asm/page.h", f"#define PAGE_SIZE {os.sysconf('SC_PAGE_SIZE')}")
    _append(include / "linux/version.h", *_version(release))
    _append(include / "linux/kconfig.h", *_kconfig(types))
    files = (path for path in sorted(include.rglob("*")) if path.is_file())
    _append(tree / _SIZES, *(f"{path.stat().st_size} {path.relative_to(tree)}" for path in files))


def _append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def version_numbers(release: str) -> tuple[int, int, int]:
    """``6.1.0-18-amd64`` as (6, 1, 0), ``6.18-rc1`` as (6, 18, 0).

    :raises ValueError: if it does not begin with two numbers.
    """
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if not found:
        raise ValueError(f"no kernel release: {release!r}")
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major, minor, patch


def _version(release: str) -> tuple[str, ...]:
    major, minor, patch = version_numbers(release)
    return (
        "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))",
        f"#define LINUX_VERSION_CODE KERNEL_VERSION({major}, {minor}, {patch})",
    )


def _kconfig(types: str) -> list[str]:
    lines = [
        "#define BPF_NO_PRESERVE_ACCESS_INDEX 1",
        '#include "vmlinux.h"',
        "#define _UAPI__LINUX_BPF_H__",
        "#define __LINUX_BPF_H__",
        "#define CONFIG_BPF_SYSCALL 1",
        *missing_helpers(types),
        *_conntrack(types),
        *_mptcp(types),
        *([_LENGTHS] if "(*btf_trace_sock_recv_length)(" in types else []),
        *_reasons(types),
    ]
    controller = next((name for name in _CONTROLLERS if f"\t{name} =" in types), None)
    return [*lines, f"#define V1_CONTROLLER {controller}"] if controller else lines


def _reasons(types: str) -> list[str]:
    """Which arguments the tracepoint kfree_skb has: a program that reads one too many is refused."""
    found = re.search(r"\(\*btf_trace_kfree_skb\)\((.*)\);", types)
    arguments = found[1].split(",") if found else []
    has_reason = len(arguments) > 3 and "enum skb_drop_reason" in arguments[3]
    return [_REASONS, *([_RECEIVER] if len(arguments) > 4 else [])] if has_reason else []


def _mptcp(types: str) -> list[str]:
    """Whether the kernel has MPTCP (bpf/tcp/mptcp.h)."""
    return [_MPTCP] if "\nstruct mptcp_subflow_context {" in types else []


def _conntrack(types: str) -> list[str]:
    """Whether ``struct nf_conn`` is known, and has zones."""
    if "\nstruct nf_conn {" not in types:
        return []
    zones = "\tstruct nf_conntrack_zone zone;" in types
    return [_CONNTRACK, *(["#define CONFIG_NF_CONNTRACK_ZONES 1"] if zones else [])]
