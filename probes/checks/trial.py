"""The trial: loads, attaches and detaches every hook of the TCP probe, and tells what became of each."""

import time

from model.errors import ProbeError
from probes.checks.check import Check
from probes.kernel.headers import find_headers
from probes.kernel.program import Feature, Taken
from probes.tcp.config import TcpConfig
from probes.tcp.probe import FEATURES, TcpProbe

#: Small tables: the trial is about hooks.
SLOTS = 256
RING_BYTES = 1 << 16


def try_hooks(config: TcpConfig) -> list[Check]:
    """One check for each feature of the probe, then one for the trial as a whole, with the time it took."""
    probe = TcpProbe(SLOTS, RING_BYTES, config.counters)
    try:
        trial = _start(probe)
    finally:
        probe.close()
    taken = {entry.feature.name: entry for entry in probe.taken}
    checks = [describe(feature, taken.get(feature.name)) for feature in FEATURES]
    return [*checks, trial]


def _start(probe: TcpProbe) -> Check:
    begin = time.monotonic()
    try:
        find_headers()
        made = time.monotonic()
        probe.start()
    except (ProbeError, OSError) as error:
        what, remedy = (error.what, error.remedy) if isinstance(error, ProbeError) else (str(error), "")
        return Check("trial", "missing", what, "the probe does not start", remedy, required=True)
    rest = time.monotonic() - made - probe.compile_seconds
    times = f"headers {made - begin:.2f} s, compile and load {probe.compile_seconds:.2f} s"
    return Check("trial", "ok", f"{times}, attach and adopt {rest:.2f} s", required=True)


def describe(feature: Feature, taken: Taken | None) -> Check:
    """A feature's check; ``taken`` is None when the trial ended before its turn."""
    if taken is None:
        return Check(feature.name, "missing", "not tried, or no hook", feature.loss or feature.purpose)
    refused = "; ".join(f"{name}: {reason}" for name, reason in taken.refused.items())
    if taken.hook:
        return Check(feature.name, "ok", taken.hook.name + (f" (refused: {refused})" if refused else ""))
    return Check(feature.name, "degraded", refused, feature.loss)
