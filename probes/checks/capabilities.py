"""What the probes need of this machine: all checks by group, and the cheap ones before a start."""

from collections.abc import Iterable

from model.errors import ProbeError
from probes.checks import limits, machine, privileges, toolchain
from probes.checks.check import Check
from probes.checks.trial import try_hooks
from probes.kernel.namespaces import require_namespaces
from probes.selection import Selection


def check_machine() -> list[Check]:
    """Rights, kernel, namespaces, and file systems that may be missing."""
    return [
        privileges.check_privileges(),
        machine.check_kernel(),
        machine.check_bpf(),
        machine.check_lockdown(),
        privileges.check_reach(),
        privileges.check_pid_namespace(),
        machine.check_cgroups(),
        *machine.check_filesystems(),
    ]


def check_headers() -> list[Check]:
    """What compiling needs."""
    return [
        toolchain.check_types(),
        toolchain.check_tree(),
        toolchain.check_bpftool(),
        toolchain.import_bcc(),
    ]


def check_limits(selection: Selection) -> list[Check]:
    """Memory, slots, open files, for the configuration given."""
    return [
        limits.check_memory(selection),
        limits.check_compiler_memory(),
        limits.check_ring(selection),
        limits.check_slots(selection),
        limits.check_locked_memory(selection),
        limits.check_open_files(),
    ]


def check_hooks(selection: Selection, before: Iterable[Check]) -> list[Check]:
    """A real trial of every hook, unless a check ``before`` says that it cannot succeed."""
    lacking = [check.name for check in before if check.fatal]
    return _untried(selection, lacking) if lacking else try_hooks(selection)


def _untried(selection: Selection, lacking: list[str]) -> list[Check]:
    names = ", ".join(feature.name for probe in selection.wanted for feature in probe.features)
    return [Check("trial", "missing", f"not tried: {names}", remedy=f"{' and '.join(lacking)} first")]


def require(selection: Selection) -> None:
    """Refuses a start that cannot succeed: cheap checks only, a few milliseconds in all. To be called before anything
    is opened or made.

    :raises UsageError: if a network namespace is to be reported that does not exist.
    :raises ProbeError: at the first thing that is missing, with what to do about it.
    """
    require_namespaces(selection.config.namespaces)
    for check in _cheap(selection):
        if check.fatal:
            raise ProbeError(f"{check.name}: {check.detail}", check.remedy)


def _cheap(selection: Selection) -> Iterable[Check]:
    yield limits.check_open_files()  # first: without, other checks fail for no reason of theirs
    yield machine.check_kernel()
    yield machine.check_bpf()
    yield privileges.check_privileges()
    yield machine.check_lockdown()
    yield toolchain.check_types()
    yield toolchain.check_tree()
    yield toolchain.check_bpftool()
    yield toolchain.find_bcc()
    yield limits.check_memory(selection)
    yield limits.check_locked_memory(selection)
