"""The trial: loads, attaches and detaches every hook of the probes, and tells what became of each."""

import time

from model.errors import ProbeError
from model.probe import Attachment, Feature
from probes.attached import AttachedProbes
from probes.checks.check import Check
from probes.kernel.headers import find_headers
from probes.selection import Selection

#: Small tables: the trial is about hooks.
SLOTS = 256
RING_BYTES = 1 << 16


def try_hooks(selection: Selection) -> list[Check]:
    """One check for each feature of the probes, then one for the trial as a whole, with the time it took."""
    probes = AttachedProbes(selection.with_tables(SLOTS, RING_BYTES))
    try:
        trial = _start(probes)
    finally:
        probes.close()
    taken = {entry.feature.name: entry for entry in probes.taken}
    features = [feature for probe in selection.wanted for feature in probe.features]
    checks = [describe(feature, taken.get(feature.name)) for feature in features]
    off = [
        Check(entry.feature.name, "not needed", next(iter(entry.refused.values())))
        for entry in selection.off()
    ]
    return [*checks, *off, trial]


def _start(probes: AttachedProbes) -> Check:
    begin = time.monotonic()
    try:
        find_headers()
        made = time.monotonic()
        probes.start(whole=True)
    except (ProbeError, OSError) as error:
        what, remedy = (error.what, error.remedy) if isinstance(error, ProbeError) else (str(error), "")
        return Check("trial", "missing", what, "the probe does not start", remedy, required=True)
    rest = time.monotonic() - made - probes.compile_seconds
    times = f"headers {made - begin:.2f} s, compile and load {probes.compile_seconds:.2f} s"
    return Check("trial", "ok", f"{times}, attach and adopt {rest:.2f} s", required=True)


def describe(feature: Feature, taken: Attachment | None) -> Check:
    """A feature's check; ``taken`` is None when the trial ended before its turn."""
    if taken is None:
        return Check(feature.name, "missing", "not tried, or no hook", feature.loss or feature.purpose)
    refused = "; ".join(f"{name}: {reason}" for name, reason in taken.refused.items())
    if taken.hook:
        return Check(feature.name, "ok", taken.hook.name + (f" (refused: {refused})" if refused else ""))
    return Check(feature.name, "degraded", refused, feature.loss or f"not seen: {feature.purpose}")
