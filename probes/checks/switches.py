"""What each probe that can be switched off costs: processor time as it declares it, and the memory of its maps."""

from probes.checks.check import Check
from probes.checks.limits import megabytes
from probes.kernel.memory import map_bytes, map_names
from probes.selection import Selection
from probes.sources import read_sources


def check_switches(selection: Selection) -> list[Check]:
    """A line for each, also for those that are off: these cost nothing."""
    checks = []
    text = "\n".join(map(read_sources, selection.wanted))
    maps = map_bytes(text, selection.defines)
    for probe in selection.known:
        if probe.switch is None:
            continue
        what = f"{probe.purpose or probe.name} ({selection.said_of(probe)})"
        if probe not in selection.wanted:
            checks.append(Check(probe.name, "not needed", f"{what}: costs nothing"))
            continue
        memory = sum(maps.get(name, 0) for name in map_names(read_sources(probe)))
        costs = [probe.cost] if probe.cost else []
        costs += [f"{megabytes(memory)} of kernel memory"] if memory else []
        checks.append(Check(probe.name, "ok", f"{what}: {'; '.join(costs) or 'next to nothing'}"))
    return checks
