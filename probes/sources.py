"""The BPF text that is compiled: what all probes share, then each probe's sources; and what cannot be had here."""

from collections.abc import Iterable, Mapping
from importlib import resources

from model.errors import UsageError
from model.probe import Feature, Need, Probe
from probes.kernel.headers import Headers, knows_conntrack, knows_lengths, knows_mptcp, knows_reasons

#: The kernel's types where they come from no BTF: before everything else.
_INSTALLED = "kernel/installed.h"

_REASONS: dict[Need, str] = {
    "btf": "iterators need the kernel's BTF, and it has none",
    "lengths": "the kernel has no such tracepoint, or no BTF that tells of it",
    "reasons": "the kernel does not say why it frees packets (Linux 5.17), or has no BTF that tells of it",
    "mptcp": "the kernel has no MPTCP, or no BTF that tells of it",
    "conntrack": "the types of conntrack are not known: load the module nf_conntrack before the start",
}


def source_text(headers: Headers, probes: Iterable[Probe], *, later: bool = False) -> str:
    """The sources of these probes, one after the other: bcc rewrites map calls in the main text only.

    :param later: for programs that are loaded later: of probes that have none, headers are enough.
    :raises UsageError: if a probe's file is not there.
    """
    first = [] if headers.source == "btf" else [_read("bpf", _INSTALLED)]
    return "\n".join([*first, *(read_sources(probe, later=later) for probe in probes)])


def read_sources(probe: Probe, *, later: bool = False) -> str:
    """A probe's files, each under its name, so that the compiler's messages tell which one is meant.

    :raises UsageError: if one is not there.
    """
    whole = not later or any(hook.later for hook in probe.hooks)
    names = [name for name in probe.sources if whole or name.endswith(".h")]
    try:
        return "\n".join(_read(probe.package, name) for name in names)
    except (OSError, ModuleNotFoundError) as error:
        what = f"probe {probe.name}: its sources cannot be read ({error})"
        raise UsageError(what, f"install the package {probe.package} with its package data") from error


def _read(package: str, name: str) -> str:
    text = resources.files(package).joinpath(name).read_text()
    return f'#line 1 "{name if package == "bpf" else f"{package}/{name}"}"\n{text}'


def absent_programs(headers: Headers, probes: Iterable[Probe]) -> dict[str, str]:
    """Programs that do not compile with these headers, with the reason."""
    there: dict[Need, bool] = {
        "btf": headers.source == "btf",
        "conntrack": knows_conntrack(headers),
        "lengths": knows_lengths(headers),
        "mptcp": knows_mptcp(headers),
        "reasons": knows_reasons(headers),
    }
    hooks = (hook for probe in probes for hook in probe.hooks)
    return {hook.program: _REASONS[hook.needs] for hook in hooks if not there.get(hook.needs, True)}


def spare_programs(features: Iterable[Feature], absent: Mapping[str, str]) -> dict[str, str]:
    """Programs that nobody needs here, with the reason: an alternative before theirs can be had.

    :param features: with the alternatives that are wanted.
    :param absent: programs that cannot be had.
    """
    kept: set[str] = set()
    spare: dict[str, str] = {}
    for feature in features:
        taken = ""
        for way in feature.alternatives:
            programs = {part.program for part in way.parts}
            if way.spare and taken:
                spare |= dict.fromkeys(programs, f"not compiled: {taken} is there")
                continue
            kept |= programs
            taken = taken or ("" if programs & absent.keys() else way.name)
    return {program: reason for program, reason in spare.items() if program not in kept}
