"""As whom the unit in question runs, with which capabilities, and what it cannot do without the others."""

from typing import Final

from engine.doctor.units import Unit
from probes.checks.check import Check
from probes.checks.privileges import NO_PROGRAM, TO_LOAD
from probes.checks.rewrites import RIGHTS, TO_LISTEN
from probes.conntrack.config import NatConfig
from probes.kernel.perf_events import has_kprobes

#: What is not seen without a right, whether there is NAT or not.
_REACH: Final = {
    "CAP_SYS_ADMIN": "sockets of before the start that no process holds are not reported",
    "CAP_SYS_PTRACE": "executables of other users' processes are not known",
}


def check_place(unit: Unit | None, *, inside: bool) -> Check:
    """With whose rights hooks are tried."""
    if unit is None:
        return Check("place", "ok", "no unit of Tailrace is to run here: all is tried as this user")
    if inside:
        return Check("place", "ok", f"inside {unit.name}.service: all is tried with its rights")
    tried = "" if unit.role == "engine" else "hooks are tried as this user; "
    return Check("place", "ok", f"outside of {unit.name}.service: {tried}its rights are read from it")


def check_rights(unit: Unit, nat: NatConfig) -> Check:
    """Its capabilities held against what its role uses (docs/service.md: Rights)."""
    name, held = f"rights of {unit.name}", unit.capabilities()
    found = f"user {unit.user}; {', '.join(sorted(held)) or 'no capability'}"
    if unit.role == "engine":
        return _of_engine(name, unit, held, found)
    lacking = missing_rights(held, nat)
    if not lacking:
        return Check(name, "ok", found)
    cost = "; ".join(dict.fromkeys(lacking.values()))
    given = "AmbientCapabilities= and CapabilityBoundingSet="
    remedy = f"systemctl edit {unit.name}: add {' '.join(lacking)} to {given}"
    fatal = NO_PROGRAM in lacking.values()
    return Check(name, "missing" if fatal else "degraded", found, cost, remedy, required=fatal)


def missing_rights(held: frozenset[str], nat: NatConfig) -> dict[str, str]:
    """What a role that watches the kernel lacks, each with what is not seen without it."""
    lacking = {} if "CAP_SYS_ADMIN" in held else dict.fromkeys(sorted(TO_LOAD - held), NO_PROGRAM)
    costs: dict[str, list[str]] = {right: [cost] for right, cost in _REACH.items()}
    for right, cost in RIGHTS.items() if nat.source != "off" else ():
        if right not in TO_LISTEN or nat.source == "netlink" or not has_kprobes():
            costs.setdefault(right, []).append(cost)
    return lacking | {right: "; ".join(each) for right, each in costs.items() if right not in held}


def _of_engine(name: str, unit: Unit, held: frozenset[str], found: str) -> Check:
    if not held:
        return Check(name, "ok", f"{found}, and it needs none")
    remedy = f"systemctl edit {unit.name}: User=tailrace-engine, AmbientCapabilities=, CapabilityBoundingSet="
    return Check(name, "degraded", found, "an engine needs no capability: it has more than it uses", remedy)
