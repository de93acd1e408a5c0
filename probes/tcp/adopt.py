"""Sockets that were open before the probe, in all network namespaces: BPF iterators take them in."""

import contextlib
from functools import partial
from typing import Final

from probes.kernel.bpf.links import iterate
from probes.kernel.bpf.maps import array_lookup, map_update
from probes.kernel.layout import enums
from probes.kernel.loader import Loaded
from probes.kernel.namespaces import inside, network_namespaces

#: Of one connection (kernel: net/mptcp/protocol.h, MPTCP_SUBFLOWS_MAX).
MOST_SUBFLOWS: Final = 8


def adopt_held(loaded: Loaded) -> None:
    """Takes in the sockets of all tasks, with their owners.

    Listeners come first, so that accepted sockets are told from connecting ones.

    :raises OSError: if the kernel has no such iterator.
    """
    _visit_files(loaded, "PASS_LISTENERS", "PASS_SOCKETS")


def find_holders(loaded: Loaded) -> None:
    """Finds the processes that hold listeners, and connections accepted there, whose owner is gone.

    :raises OSError: if the kernel has no such iterator.
    """
    _visit_files(loaded, "PASS_LISTENERS", "PASS_HOLDERS")


def _visit_files(loaded: Loaded, *passes: str) -> None:
    """All files of all tasks, once for each of these of ``enum adoption_pass``; again while connections of MPTCP have
    more subflows."""
    for name in passes:
        change_setting(loaded, "SETTING_PASS", enums("tcp")["adoption_pass"][name])
        for subflow in range(MOST_SUBFLOWS):
            change_setting(loaded, "SETTING_SUBFLOW", subflow)
            change_setting(loaded, "SETTING_MORE", 0)
            iterate(loaded.programs["bpf_iter__task_file"])
            if not _setting(loaded, "SETTING_MORE"):
                break


def adopt_leftovers(loaded: Loaded) -> None:
    """Takes in, in each network namespace, the sockets that no task holds.

    :raises PermissionError: without CAP_SYS_ADMIN: setns(2) asks for it.
    :raises OSError: if the kernel has no such iterator.
    """
    take_in = partial(iterate, loaded.programs["bpf_iter__tcp"])
    for namespace in network_namespaces():
        with contextlib.suppress(FileNotFoundError):  # it went with its last process
            inside(namespace, take_in)


def _setting(loaded: Loaded, name: str) -> int:
    """One cell of the map ``settings``."""
    return array_lookup(loaded.maps["settings"], enums("tcp")["setting"][name])


def change_setting(loaded: Loaded, name: str, value: int) -> None:
    """Sets one cell of the map ``settings``."""
    index = enums("tcp")["setting"][name]
    map_update(loaded.maps["settings"], index.to_bytes(4, "little"), value.to_bytes(4, "little"))
