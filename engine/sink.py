"""The sink contract: what a class behind the entry point group ``tailrace.sinks`` provides."""

from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from engine.batch import DeltaBatch
from engine.errors import UsageError
from engine.flow_batch import FlowBatch
from engine.nats_address import holds_secret
from engine.row_stage import ROW_STAGES, RowStage
from engine.workload_batch import WorkloadBatch

GROUP = "tailrace.sinks"

#: What sinks take: flows, the deltas that they are made of, or the workloads that they are summed up to.
Batch = FlowBatch | DeltaBatch | WorkloadBatch


@runtime_checkable
class Sink(Protocol):
    """Takes batches, one at a time, in order; the fan-out in front of it holds the bounded queue.

    ``Config`` is a ``msgspec.Struct`` (``forbid_unknown_fields=True``) whose first field is what
    ``--sink NAME:ARG`` sets. The constructor takes one and does no I/O.

    A sink that does not take every kind of batch says so in ``stages: ClassVar[tuple[RowStage, ...]]``. One that has
    an attribute ``stage`` is told there, before it is opened, which it gets: always one and the same.
    """

    Config: ClassVar[type[msgspec.Struct]]

    async def open(self) -> None:
        """Get ready.

        :raises SinkError: if it cannot be written to, with what to do; the program does not start then.
        """

    async def write(self, batch: Batch) -> None:
        """Take one batch; when it returns, the rows are delivered. Must not block the event loop for long.

        :raises SinkError: if rows are lost or the batch should be offered again.
        """

    async def close(self) -> None:
        """Flush and let go; called once, also after a failure."""


def sink_names() -> list[str]:
    """The names of all installed sinks."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def make_sink(name: str, settings: dict[str, Any], stage: RowStage = "flows") -> Sink:
    """The sink called ``name`` with its settings checked.

    :raises UsageError: if there is no such sink, it does not take rows of this stage, or a setting is unknown or of
        the wrong type.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise UsageError(f"unknown sink {name!r}", f"installed sinks: {', '.join(sink_names())}")
    factory = next(iter(found)).load()
    _check_stage(name, getattr(factory, "stages", ROW_STAGES), stage)
    try:
        config = msgspec.convert(settings, factory.Config, strict=False)  # an ARG is text
    except msgspec.ValidationError as error:
        raise UsageError(f"sink {name}: {error}") from error
    sink: Sink = factory(config)
    tell_stage(sink, stage)
    return sink


def tell_stage(sink: Sink, stage: RowStage) -> None:
    """Tells a sink that wants to know it what it gets."""
    if hasattr(sink, "stage"):
        sink.stage = stage


def _check_stage(name: str, taken: tuple[RowStage, ...], stage: RowStage) -> None:
    if stage not in taken:
        remedy = f"choose another sink for {stage}, or leave out --stage {stage}"
        raise UsageError(f"sink {name} takes {' and '.join(taken)} only", remedy)


def make_sinks(
    wanted: list[tuple[str, dict[str, Any], RowStage]],
) -> tuple[dict[str, Sink], dict[str, RowStage]]:
    """Sinks by name, and what each gets; a second one of a name gets a number.

    :raises UsageError: as make_sink does.
    """
    sinks: dict[str, Sink] = {}
    stages: dict[str, RowStage] = {}
    for name, settings, stage in wanted:
        number = sum(1 for other in sinks if other.partition("#")[0] == name) + 1
        title = name if number == 1 else f"{name}#{number}"
        sinks[title], stages[title] = make_sink(name, settings, stage), stage
    return sinks, stages


def sink_from_argument(argument: str) -> tuple[str, dict[str, Any]]:
    """Name and settings in ``NAME`` or ``NAME:ARG``; ARG sets the first field of the sink's ``Config``.

    :raises UsageError: if there is no such sink or it takes no argument.
    """
    name, colon, value = argument.partition(":")
    if not colon:
        return name, {}
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise UsageError(f"unknown sink {name!r}", f"installed sinks: {', '.join(sink_names())}")
    if name == "nats" and holds_secret(value):
        raise UsageError(
            "no password or token in --sink",
            "it would show in the process list: put it into the configuration file",
        )
    fields = msgspec.structs.fields(next(iter(found)).load().Config)
    if not fields:
        raise UsageError(f"sink {name} takes no argument", f"write --sink {name}")
    return name, {fields[0].name: value}
