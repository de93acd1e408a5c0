"""Sinks by name, made from their settings."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from engine.plugins.registry import SINK, Plugin, installed, load, made, plugin_named
from engine.plugins.settings import checked
from model.errors import UsageError
from model.kinds import kind_named
from model.row_stage import RowStage
from model.settings import secrets_in
from model.sink import Sink

#: Where a setting of the command line is in its error.
_ARGUMENT: Final = "$"


def sink_names() -> list[str]:
    """The names of all installed sinks."""
    return [plugin.name for plugin in installed(SINK)]


def make_sink(
    name: str, settings: Mapping[str, Any], stage: RowStage = "flows", where: str = _ARGUMENT
) -> Sink:
    """The sink called ``name`` with its settings checked.

    :param where: the path of the settings in the configuration, for errors.
    :raises UsageError: if there is no such sink, it cannot be loaded, it does not take rows of this stage, or a
        setting is unknown or of the wrong type.
    """
    plugin = plugin_named(SINK, name)
    factory = load(plugin)
    _check_kind(plugin, kind_names(factory), stage)
    sink: Sink = made(plugin, factory, checked(plugin.title, factory.Config, settings, where))
    return sink


def make_sinks(
    wanted: Sequence[tuple[str, Mapping[str, Any], RowStage, str]],
) -> tuple[dict[str, Sink], dict[str, RowStage]]:
    """Sinks by name, and what each gets; a second one of a name gets a number.

    :raises UsageError: as make_sink does.
    """
    sinks: dict[str, Sink] = {}
    stages: dict[str, RowStage] = {}
    for name, settings, stage, where in wanted:
        number = sum(1 for other in sinks if other.partition("#")[0] == name) + 1
        title = name if number == 1 else f"{name}#{number}"
        sinks[title], stages[title] = make_sink(name, settings, stage, where), stage
    return sinks, stages


def sink_from_argument(argument: str) -> tuple[str, dict[str, Any]]:
    """Name and settings in ``NAME`` or ``NAME:ARG``; ARG sets the first field of the sink's ``Config``.

    :raises UsageError: if there is no such sink, it takes no argument, or there is a secret in it.
    """
    name, colon, value = argument.partition(":")
    if not colon:
        return name, {}
    plugin = plugin_named(SINK, name)
    config = load(plugin).Config
    fields = msgspec.structs.fields(config)
    if not fields:
        raise UsageError(f"{plugin.title} takes no argument", f"write --sink {name}")
    settings = {fields[0].encode_name: value}
    if any(secrets_in(config, settings)):
        raise UsageError(
            "no password or token in --sink",
            "it would show in the process list: put it into the configuration file",
        )
    return name, settings


def kind_names(factory: Any) -> tuple[str, ...]:
    """The kinds of rows that a sink takes; empty for all."""
    return tuple(getattr(factory, "kinds", ()))


def _check_kind(plugin: Plugin, taken: Sequence[str], stage: RowStage) -> None:
    kind = kind_named(stage)
    if kind and taken and kind.name not in taken:
        known = [found.plural if (found := kind_named(name)) else name for name in taken]
        remedy = f"choose another sink for {stage}, or leave out --stage {stage}"
        raise UsageError(f"{plugin.title} takes {' and '.join(known)} only", remedy)
