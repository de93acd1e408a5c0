"""Sockets that were open before the probe, in all network namespaces: BPF iterators take them in."""

import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from probes import bpf
from probes.layout import enums
from probes.loader import Loaded

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_held(loaded: Loaded) -> None:
    """Takes in the sockets of all tasks, with their owners.

    Listeners come first, so that accepted sockets are told from connecting ones.

    :raises OSError: if the kernel has no such iterator.
    """
    passes = enums()["adoption_pass"]
    for name in ("PASS_LISTENERS", "PASS_SOCKETS"):
        change_setting(loaded, "SETTING_PASS", passes[name])
        bpf.iterate(loaded.programs["bpf_iter__task_file"])


def adopt_leftovers(loaded: Loaded) -> None:
    """Takes in, in each network namespace, the sockets that no task holds.

    :raises PermissionError: without CAP_SYS_ADMIN: setns(2) asks for it.
    :raises OSError: if the kernel has no such iterator.
    """
    for namespace in network_namespaces():
        _inside(namespace, loaded.programs["bpf_iter__tcp"])


def change_setting(loaded: Loaded, name: str, value: int) -> None:
    """Sets one cell of the map ``settings``."""
    index = enums()["setting"][name]
    bpf.map_update(loaded.maps["settings"], index.to_bytes(4, "little"), value.to_bytes(4, "little"))


def network_namespaces() -> Iterator[Path]:
    """One path to each network namespace that a process lives in or a name is bound to."""
    seen: set[int] = set()
    named = [*Path("/run/netns").glob("*"), *Path("/run/docker/netns").glob("*")]
    for path in (*Path("/proc").glob("[0-9]*/ns/net"), *named):
        try:
            inode = path.stat().st_ino
        except OSError:  # the process is gone
            continue
        if inode not in seen:
            seen.add(inode)
            yield path


def _inside(namespace: Path, program: int) -> None:
    """Runs an iterator in a thread that has entered ``namespace``; the process itself stays where it is."""
    failures: list[OSError] = []

    def enter_and_iterate() -> None:
        try:
            fd = os.open(namespace, os.O_RDONLY)
        except OSError:  # the namespace went with its last process
            return
        try:
            _enter(fd, namespace)
            bpf.iterate(program)
        except OSError as error:
            failures.append(error)
        finally:
            os.close(fd)

    thread = threading.Thread(target=enter_and_iterate, name="adopt")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _enter(fd: int, namespace: Path) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(namespace))
