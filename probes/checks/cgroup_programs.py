"""Who else has BPF programs at the root of the cgroup hierarchy, where those of UDP are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from probes.checks.check import Check
from probes.kernel.cgroup_programs import programs_at_root
from probes.selection import Selection

NAME: Final = "cgroup programs"
#: Where Cilium's agent keeps its state, which it makes at its start.
CILIUM: Final = (Path("/run/cilium"), Path("/var/run/cilium"))
#: What names of its programs begin with: since 1.13, and before.
_CILIUM: Final = ("cil_", "sock4_", "sock6_")
#: The kernel cuts names of programs to so many characters.
_NAME_CHARACTERS: Final = 15


def check_cgroup_programs(selection: Selection) -> Check:
    """Programs of others are no trouble; an agent that detaches them is.

    Cilium's agent detaches, at its start, what it finds at places of cgroups where it attaches nothing itself, such
    as the end of a socket (cilium/cilium pull requests 24118, 44066). Links such as ours withstand that: some of its
    versions then start over and over (cilium/cilium issue 43877).
    """
    hooks = [hook for probe in selection.wanted for hook in probe.hooks if hook.kind == "cgroup"]
    if not hooks:
        return Check(NAME, "not needed", "udp.enabled and dns.enabled are off")
    try:
        found = programs_at_root()
    except OSError as error:
        return Check(NAME, "not needed", f"they cannot be told here ({error.strerror})")
    return told(found, {hook.program[:_NAME_CHARACTERS] for hook in hooks}, cilium=_is_cilium_here())


def told(found: Mapping[str, Sequence[str]], ours: set[str], *, cilium: bool) -> Check:
    """What the programs at each place mean.

    :param ours: names of programs that a Tailrace which runs beside has there.
    :param cilium: whether its agent lives here, whatever it has attached.
    """
    others = {
        name or "without a name": place
        for place, names in found.items()
        for name in names
        if name not in ours
    }
    said = ", ".join(f"{name} at {place}" for name, place in sorted(others.items())) or "none of others"
    if not cilium and not any(name.startswith(_CILIUM) for name in others):
        return Check(NAME, "ok", said)
    cost = (
        "at its start Cilium's agent may detach programs of others from cgroups: UDP would not be counted from then "
        "on (`tailrace inspect` shows it); versions that cannot detach ours do not finish their start"
    )
    remedy = (
        "use a Cilium of 2026 or later, which detaches only its own; or set udp.enabled and dns.enabled: off"
    )
    return Check(NAME, "degraded", f"Cilium is here; {said}", cost, remedy)


def _is_cilium_here() -> bool:
    return any(path.is_dir() for path in CILIUM)
