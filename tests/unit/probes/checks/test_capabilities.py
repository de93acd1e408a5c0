"""Checks of the machine, with machines that are not this one."""

import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import Config
from engine.plugins.probes import select
from model.errors import ProbeError
from model.probe import Attachment, Feature, Hook
from probes.checks import capabilities, limits, machine, privileges, toolchain
from probes.checks.check import Check
from probes.checks.trial import describe
from probes.kernel import headers, memory
from probes.kernel.bpf import syscall
from probes.selection import Selection
from probes.sources import read_sources
from probes.tcp.config import TcpConfig

ROOT_STATUS = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
USER_STATUS = "Name:\tpython\nCapEff:\t0000000000000000\n"
BPF_ONLY = frozenset({"CAP_BPF", "CAP_PERFMON"})


@pytest.fixture
def able(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which everything is there, whatever this one has."""
    monkeypatch.setattr(privileges, "read_capabilities", lambda: privileges.read_from(ROOT_STATUS))
    monkeypatch.setattr(privileges, "is_initial", lambda _: True)
    monkeypatch.setattr(machine, "LOCKDOWN", tmp_path / "none")
    monkeypatch.setattr(machine, "COMMAND_LINE", Path(os.devnull))
    monkeypatch.setattr(headers, "BTF", Path(__file__))
    monkeypatch.setattr(headers, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(headers, "find_bpftool", lambda: "/usr/sbin/bpftool")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: importlib.util.spec_from_loader("bcc", None))


def test_capabilities_are_read_from_the_effective_set() -> None:
    """All bits are all that matter; none are none."""
    assert privileges.read_from(USER_STATUS) == frozenset()
    assert privileges.read_from(ROOT_STATUS) >= {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}
    assert privileges.read_from("CapEff:\t000000c000000000\n") == BPF_ONLY


@pytest.mark.parametrize(
    ("held", "status"),
    [
        (frozenset({"CAP_SYS_ADMIN"}), "ok"),
        (BPF_ONLY, "ok"),
        (frozenset({"CAP_BPF"}), "missing"),
        (frozenset(), "missing"),
    ],
)
def test_rights_that_suffice(held: frozenset[str], status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CAP_SYS_ADMIN or CAP_BPF with CAP_PERFMON load the programs; less does not."""
    monkeypatch.setattr(privileges, "is_initial", lambda _: True)
    monkeypatch.setattr(privileges, "read_capabilities", lambda: held)
    assert privileges.check_privileges().status == status


def test_root_of_a_user_namespace_has_no_rights(able: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Capabilities in a user namespace do not count, and the remedy says so."""
    monkeypatch.setattr(privileges, "is_initial", lambda namespace: namespace != "user")
    check = privileges.check_privileges()
    assert (check.status, check.detail) == ("missing", "root of a user namespace only")
    assert "rootless container" in check.remedy


def test_what_cannot_be_entered_costs_orphans(able: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to enter namespaces the probe runs, and its loss is told."""
    monkeypatch.setattr(privileges, "read_capabilities", lambda: BPF_ONLY)
    check = privileges.check_reach()
    assert (check.status, check.required) == ("degraded", False)
    assert check.detail == "no CAP_SYS_ADMIN and CAP_SYS_PTRACE"


@pytest.mark.parametrize(("release", "status"), [("5.9.16", "missing"), ("5.10.0-8", "ok"), ("6.18.1", "ok")])
def test_the_oldest_kernel(release: str, status: str) -> None:
    """5.10 is the first that will do."""
    assert machine.check_kernel(release).status == status


@pytest.mark.parametrize(
    ("text", "level", "status"),
    [
        ("none integrity [confidentiality]\n", "confidentiality", "missing"),
        ("none [integrity] confidentiality\n", "integrity", "ok"),
        ("[none] integrity confidentiality\n", "none", "ok"),
    ],
)
def test_lockdown_forbids_at_its_highest_level_only(
    text: str, level: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The level in brackets counts."""
    (tmp_path / "lockdown").write_text(text)
    monkeypatch.setattr(machine, "LOCKDOWN", tmp_path / "lockdown")
    assert machine.lockdown_level() == level
    assert machine.check_lockdown().status == status


def test_lockdown_is_read_from_the_boot_options_where_securityfs_is_not_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boot option tells what the file cannot."""
    (tmp_path / "cmdline").write_text("quiet lockdown=confidentiality ro\n")
    monkeypatch.setattr(machine, "LOCKDOWN", tmp_path / "none")
    monkeypatch.setattr(machine, "COMMAND_LINE", tmp_path / "cmdline")
    assert machine.check_lockdown().status == "missing"


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "v2"),
        ("cgroup /c/cpu cgroup rw 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n", "v1 and v2"),
        ("proc /proc proc rw 0 0\n", "none mounted here; their names are read in the kernel"),
    ],
)
def test_cgroup_hierarchies_are_told_by_the_mounts(mounts: str, found: str) -> None:
    """Either version, both, or none."""
    assert machine.check_cgroups(mounts).detail == found


def text_of(selection: Selection) -> str:
    """The sources of its probes."""
    return "\n".join(map(read_sources, selection.wanted))


def test_map_memory_grows_with_the_slots() -> None:
    """1,044 bytes a slot, and 91 MB beside the ring, as is checked against the kernel elsewhere."""
    one, two = (
        sum(memory.map_bytes(text_of(selection), selection.defines).values())
        for selection in (select(Config(tcp=TcpConfig(slots))) for slots in (65536, 131072))
    )
    assert (two - one) / 65536 == pytest.approx(1044, abs=1)
    assert one == pytest.approx(168_420_000, rel=0.001)


def test_maps_that_do_not_fit_are_refused(able: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is refused with the figures and the keys that lower them."""
    monkeypatch.setattr(limits, "available_bytes", lambda: 50_000_000)
    message = r"map memory: 168.4 MB .*65,536 slots; 50.0 MB available: lower tcp.slots or tcp.ring_bytes"
    with pytest.raises(ProbeError, match=message):
        capabilities.require(select(Config()))


def test_locked_memory_matters_to_old_kernels_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 5.11 the limit must hold the maps unless it can be raised."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8 << 20, 8 << 20))
    monkeypatch.setattr(limits, "read_capabilities", lambda: BPF_ONLY)
    assert limits.check_locked_memory(select(Config()), "5.11.0").status == "not needed"
    old = limits.check_locked_memory(select(Config()), "5.10.0")
    assert (old.status, old.detail) == ("missing", "8.4 MB of 168.4 MB")
    monkeypatch.setattr(limits, "read_capabilities", lambda: frozenset({"CAP_SYS_RESOURCE"}))
    assert limits.check_locked_memory(select(Config()), "5.10.0").status == "ok"


def test_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit below what the probe may hold is a warning with the command that mends it; far below, it is fatal."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    check = limits.check_open_files()
    assert (check.status, check.detail, check.fatal) == ("degraded", "64", False)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (63, 63))
    check = limits.check_open_files()
    assert (check.status, check.detail, check.fatal) == ("missing", "63, of 64 at least", True)


def test_a_bpftool_that_is_no_longer_needed(able: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bpftool the start fails only where the headers are still to be made."""
    monkeypatch.setattr(headers, "find_bpftool", lambda: None)
    assert toolchain.check_bpftool().fatal
    headers.write_tree(headers.tree_path(), "", os.uname().release)
    assert toolchain.check_bpftool().status == "degraded"
    monkeypatch.setattr(headers, "find_source", lambda: "installed")
    assert toolchain.check_bpftool().status == "not needed"


def test_require_starts_nothing_and_imports_no_compiler(able: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has all it starts no process, loads no program, and bcc is not in this process."""
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(syscall, "call", None)
    capabilities.require(select(Config()))
    assert "bcc" not in sys.modules


@pytest.mark.parametrize(
    ("module", "name", "value", "message"),
    [
        (privileges, "read_capabilities", frozenset, r"privileges: not root.*: run as root \(sudo\)"),
        (machine, "lockdown_level", lambda: "confidentiality", "lockdown: .*: boot with lockdown=integrity"),
        (headers, "find_source", str, "kernel types: .*neither BTF nor.*: apt-get install linux-headers"),
        (
            importlib.util,
            "find_spec",
            lambda _: None,
            "bcc: no Python module bcc: apt-get install python3-bpfcc",
        ),
        (syscall, "is_known", bool, r"bpf\(2\): no known number on .*: run 64-bit Python"),
    ],
)
def test_require_says_on_one_line_what_to_do(
    able: None, monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object, message: str
) -> None:
    """Each thing that is missing is named together with its remedy."""
    monkeypatch.setattr(module, name, value)
    with pytest.raises(ProbeError, match=message) as raised:
        capabilities.require(select(Config()))
    assert "\n" not in str(raised.value)


def test_hooks_are_not_tried_where_they_cannot_succeed() -> None:
    """One line says what was not tried and what to mend first."""
    lacking = Check("privileges", "missing", "not root", required=True)
    (check,) = capabilities.check_hooks(select(Config()), [lacking])
    assert (check.name, check.status, check.fatal) == ("trial", "missing", False)
    assert check.detail.startswith("not tried: ")
    assert "socket states, " in check.detail
    assert check.remedy == "privileges first"


def test_a_feature_is_described_by_what_was_taken() -> None:
    """The hook taken and those refused; the loss when there is none."""
    first, second = Hook("used", "first"), Hook("used", "second")
    feature = Feature("owner", "who", (first, second), required=False, loss="nobody")
    assert describe(feature, Attachment(feature, first)) == Check("owner", "ok", "tracepoint first")
    lesser = Attachment(feature, second, {first.name: "no such"})
    assert describe(feature, lesser).detail == "tracepoint second (refused: tracepoint first: no such)"
    none = Attachment(feature, None, {first.name: "no such", second.name: "no such"})
    assert (describe(feature, none).status, describe(feature, none).cost) == ("degraded", "nobody")
    assert describe(feature, None).status == "missing"
