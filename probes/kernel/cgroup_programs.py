"""Which BPF programs are attached at the root of the cgroup hierarchy, by whomever (kernel: BPF_PROG_QUERY)."""

import os
from typing import Final

from probes.kernel.bpf.links import programs_at
from probes.kernel.bpf.programs import program_by_id, program_info
from probes.kernel.filesystems import root_of
from probes.kernel.program_types import PLACES_OF_CGROUPS

#: Programs at one place that are told at most; the kernel takes 64.
_MOST: Final = 64


def programs_at_root() -> dict[str, list[str]]:
    """Names of the programs at each place of cgroups that is known here and has some.

    :raises OSError: if there is no cgroup v2, or without CAP_SYS_ADMIN.
    """
    with root_of("cgroup2") as root:
        found = {place: _names(root, kind.attach) for place, kind in PLACES_OF_CGROUPS.items()}
    return {place: names for place, names in found.items() if names}


def _names(root: int, attach_type: int) -> list[str]:
    try:
        ids = programs_at(root, attach_type, _MOST)
    except OSError:
        return []  # a place that this kernel does not have
    return [name for id_ in ids if (name := _name(id_)) is not None]


def _name(id_: int) -> str | None:
    """None for a program that has gone meanwhile."""
    try:
        program = program_by_id(id_)
    except FileNotFoundError:
        return None
    try:
        return bytes(program_info(program).name).decode(errors="replace")
    finally:
        os.close(program)
