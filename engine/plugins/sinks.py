"""Sinks by name, made from their settings."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.config import SinkConfig
from engine.plugins.registry import SINK, Plugin, installed, load, made, plugin_named
from engine.plugins.settings import checked
from engine.plugins.shapes import shape_of
from model.errors import UsageError
from model.kind import Kind
from model.kinds import kind_named, kinds
from model.settings import secrets_in
from sinks.configured import ConfiguredSink
from sinks.limits import Limits
from sinks.summed import SummedSink


def sink_names() -> list[str]:
    """The names of all installed sinks."""
    return [plugin.name for plugin in installed(SINK)]


def make_sinks(
    wanted: Sequence[SinkConfig], stage: str, path: str = "", stage_from: str = "$.stage", words: str = ""
) -> dict[str, ConfiguredSink]:
    """Sinks by name; a second one of a name gets a number.

    :param stage: of those that have none of their own; given at ``stage_from``.
    :param path: of the list in the configuration, for errors; empty for those of the command line.
    :param words: a filter for all of them.
    :raises UsageError: as make_sink does.
    """
    kinds()  # what a package declares wrongly is said before anything starts
    sinks: dict[str, ConfiguredSink] = {}
    for place, each in enumerate(wanted):
        number = sum(1 for other in sinks if other.partition("#")[0] == each.name) + 1
        title = each.name if number == 1 else f"{each.name}#{number}"
        at = f"{path}[{place}]" if path else "$"
        stage_path = f"{at}.stage" if each.stage else stage_from
        sinks[title] = make_sink(each, each.stage or stage, at, stage_path, words)
    return sinks


def make_sink(
    wanted: SinkConfig, stage: str = "flows", path: str = "$", stage_from: str = "$.stage", words: str = ""
) -> ConfiguredSink:
    """A sink with its settings checked.

    :param path: of the sink, for errors; ``stage_from`` that of the stage.
    :param words: a filter beside its own.
    :raises UsageError: if there is no such sink, it cannot be loaded, it does not take rows of this stage, a
        setting is unknown or of the wrong type, or a filter or a field means nothing for its rows.
    """
    plugin = plugin_named(SINK, wanted.name)
    factory = load(plugin)
    names = _stage(factory, stage, stage_from).split(",")
    found = [_kind(plugin, factory, name.strip(), stage_from) for name in names]
    settings = checked(
        plugin.title, factory.Config, wanted.settings, path if path == "$" else f"{path}.settings"
    )
    shape = shape_of(wanted, found, path, words)
    made_with = (settings, wanted.where, wanted.fields, wanted.every, words)
    limits = wanted.limits(path, getattr(factory, "limits", Limits()))
    sink = made(plugin, factory, settings)
    if wanted.every:
        sink, limits = SummedSink(sink), replace(limits, batch=replace(limits.batch, seconds=wanted.every))
    return ConfiguredSink(sink, found, limits, plugin.title, shape, made_with)


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


def _stage(factory: Any, stage: str, stage_from: str) -> str:
    """A sink of which nobody said what it gets, gets what it asks for; one that takes no flows the first it takes."""
    taken = kind_names(factory)
    if stage_from == "$.stage" and (own := getattr(factory, "stage", "")):
        return str(own)
    first = kind_named(taken[0]) if taken else None
    if first and stage_from == "$.stage" and stage == "flows" and "flow" not in taken:
        return first.plural
    return stage


def kind_names(factory: Any) -> tuple[str, ...]:
    """The kinds of rows that a sink takes; empty for all."""
    return tuple(getattr(factory, "kinds", ()))


def _kind(plugin: Plugin, factory: Any, stage: str, where: str) -> Kind:
    """That of this name, if the sink takes it."""
    kind, taken = kind_named(stage), kind_names(factory)
    if kind is None or not kind.columns:
        known = ", ".join(each.plural for each in kinds())
        raise UsageError(f"no rows are called {stage!r} - at `{where}`", f"write one or more of {known}")
    if taken and kind.name not in taken:
        names = [found.plural if (found := kind_named(name)) else name for name in taken]
        remedy = f"choose another sink for {stage}, or leave out --stage {stage}"
        raise UsageError(f"{plugin.title} takes {' and '.join(names)} only", remedy)
    return kind
