"""Executions of programs: what the probe asks of the kernel to know processes that are soon gone."""

from typing import Final

from model.probe import EventType, Probe
from probes.kernel.program import Feature, Hook

#: Cost: one event of the ring for each program executed. Exits have none: a process is missed when /proc is read.
EXECUTIONS: Final = Feature(
    "process executions",
    "executable and command line of processes, however short they live",
    (Hook("executed", "sched_process_exec"),),
    required=False,
    loss="processes that live less than a second have no executable and no command line",
)

PROCESS: Final = Probe(
    "process",
    (
        EventType(
            "KIND_EXEC", "exec_event", "processes", urgent=True, private=("arguments", "arguments_bytes")
        ),
    ),
)
