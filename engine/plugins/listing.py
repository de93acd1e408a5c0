"""What is known of each plug-in: made from its docstring, its ``Config`` and what it declares."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.config import SinkConfig
from engine.plugins.declared import (
    ListedColumn,
    ListedFeature,
    columns_of,
    features_of,
    kind_summary,
    probe_summary,
    stage_of,
    switch_of,
)
from engine.plugins.enrichers import SECTIONS
from engine.plugins.inventory import Found, inventory
from engine.plugins.registry import ALERT_TARGET, ENRICHER, OWN, PROBE, ROW_KIND, Plugin
from engine.plugins.settings import Setting, described
from engine.plugins.sinks import kind_names
from model.errors import UsageError
from model.settings import secrets_in

#: What the configuration of every sink has beside its settings.
_OF_EVERY_SINK: Final = ("queue", "retry", "batch")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One plug-in, probe or kind of rows, as it is shown.

    :param object: what its entry point leads to, or the registry that has it: ``module:name``.
    :param summary: what it is, in one sentence.
    :param fault: why it cannot be used; empty if it can.
    :param takes: kinds of rows of a sink, or of keys of an enricher; empty for all.
    :param configured: where it, or its settings, stand in the configuration.
    :param argument: the setting that ``--sink NAME:ARG`` sets; empty if none may be set so.
    :param limits: settings that every plug-in of the kind has beside them.
    :param features: of a probe.
    :param columns: of a kind of rows.
    """

    kind: str
    name: str
    package: str
    version: str
    object: str
    summary: str = ""
    fault: str = ""
    takes: list[str] = []
    configured: str = ""
    argument: str = ""
    settings: list[Setting] = []
    limits: list[Setting] = []
    features: list[ListedFeature] = []
    columns: list[ListedColumn] = []


def listed(name: str | None = None) -> list[Listed]:
    """All, or those of this name.

    :raises UsageError: if there is none of this name.
    """
    every = inventory()
    wanted = [found for found in every if name is None or name in found.names]
    if not wanted:
        names = ", ".join(dict.fromkeys(found.plugin.name for found in every))
        raise UsageError(f"unknown plug-in {name!r}", f"there are: {names}")
    return [_listed(found) for found in wanted]


def _listed(found: Found) -> Listed:
    plugin = found.plugin
    known = _known(plugin, found.loaded) if found.loaded is not None else {}
    return Listed(
        kind=plugin.kind.name,
        name=plugin.name,
        package=plugin.package,
        version=plugin.version,
        object=plugin.entry.value,
        fault=found.fault,
        **known,
    )


def _known(plugin: Plugin, loaded: Any) -> dict[str, Any]:
    """What the class or the declaration says."""
    if plugin.kind is PROBE:
        return {
            "summary": probe_summary(loaded),
            "configured": switch_of(loaded),
            "features": features_of(loaded),
        }
    if plugin.kind is ROW_KIND:
        return {
            "summary": kind_summary(loaded),
            "configured": stage_of(loaded),
            "columns": columns_of(loaded),
        }
    known = {"summary": _summary(loaded), "settings": list(described(loaded.Config))}
    if plugin.kind is ENRICHER:
        return known | {"takes": _keys(loaded), "configured": _section(plugin)}
    if plugin.kind is ALERT_TARGET:
        return known | {"configured": f"alerts: {{targets: [{{name: {plugin.name}, settings: {{…}}}}]}}"}
    return known | {
        "takes": list(kind_names(loaded)),
        "configured": f"sinks: [{{name: {plugin.name}, settings: {{…}}}}]",
        "argument": _argument(loaded.Config),
        "limits": list(_limits()),
    }


def _summary(loaded: type) -> str:
    """The first sentence of a class's docstring."""
    sentence = re.split(r"(?<=\.)\s", " ".join((inspect.getdoc(loaded) or "").split()), maxsplit=1)[0]
    return sentence.replace("``", "`").rstrip(".")


def _keys(enricher: Any) -> list[str]:
    return sorted(map(str, enricher.kinds)) if isinstance(getattr(enricher, "kinds", None), frozenset) else []


def _section(enricher: Plugin) -> str:
    if enricher.package == OWN and enricher.name in SECTIONS:
        return f"{SECTIONS[enricher.name]}: {{…}}"
    return f"enrichers: [{{name: {enricher.name}, settings: {{…}}}}]"


def _argument(config: type[msgspec.Struct]) -> str:
    """The first setting, unless all that can stand there is secret."""
    first = next(iter(msgspec.structs.fields(config)), None)
    if first is None or any(secrets_in(config, {first.name: "text"})):
        return ""
    return first.encode_name


def _limits() -> Iterator[Setting]:
    return (setting for setting in described(SinkConfig) if setting.name.split(".")[0] in _OF_EVERY_SINK)
