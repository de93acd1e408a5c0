"""Programs at the root of the cgroup hierarchy, as `tailrace doctor` finds them."""

import os
import struct

import pytest

from engine.config import Config
from engine.plugins.probes import select
from probes.checks.cgroup_programs import check_cgroup_programs
from probes.kernel.bpf.links import create_link
from probes.kernel.bpf.programs import load_program
from probes.kernel.cgroup_programs import programs_at_root
from probes.kernel.filesystems import root_of
from probes.kernel.program_types import PLACES_OF_CGROUPS

pytestmark = pytest.mark.kernel

#: r0 = 1; exit: every packet passes.
PASS = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 1, 0x95, 0, 0, 0)


def test_a_program_of_cilium_is_found_at_its_place() -> None:
    """With its name, for as long as its link is held."""
    place = PLACES_OF_CGROUPS["inet_egress"]
    program = load_program("cil_test_pass", PASS, kind=place.program, attach=place.attach)
    with root_of("cgroup2") as root:
        link = create_link(program, root, place.attach)
    try:
        assert "cil_test_pass" in programs_at_root()["inet_egress"]
        check = check_cgroup_programs(select(Config()))
        assert (check.status, "cil_test_pass at inet_egress" in check.detail) == ("degraded", True)
    finally:
        os.close(link)
        os.close(program)
    assert "cil_test_pass" not in programs_at_root().get("inet_egress", [])
