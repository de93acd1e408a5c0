"""The process probe: programs that are executed, so that processes are known that are soon gone."""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch

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
    sources=("process/events.h", "process/process.c"),
    features=(EXECUTIONS,),
    events=(
        EventType(
            "KIND_EXEC", "exec_event", "processes", urgent=True, private=("arguments", "arguments_bytes")
        ),
    ),
    switch=Switch("process.executions"),
    purpose="Programs that are executed",
)
