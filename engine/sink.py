"""Sinks by name: those installed under the entry point group ``tailrace.sinks``, made from their settings."""

from importlib.metadata import entry_points
from typing import Any

import msgspec

from engine.nats.address import holds_secret
from model.errors import UsageError
from model.row_stage import ROW_STAGES, RowStage
from model.sink import Sink

GROUP = "tailrace.sinks"


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
    return sink


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
