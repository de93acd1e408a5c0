"""What is known of each installed plug-in: made from its entry point, its docstring and its ``Config``."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.config import SinkConfig
from engine.plugins.enrichers import SECTIONS
from engine.plugins.registry import ENRICHER, OWN, PLUGIN_KINDS, PROBE, SINK, Plugin, installed, load
from engine.plugins.settings import Setting, described
from engine.plugins.sinks import kind_names
from model.errors import UsageError
from model.probe import Probe
from model.settings import secrets_in

#: What the configuration of every sink has beside its settings.
_OF_EVERY_SINK: Final = ("queue", "retry", "batch")


class Listed(msgspec.Struct, frozen=True):
    """One plug-in, as it is shown.

    :param object: what its entry point leads to: ``module:name``.
    :param summary: what it is, in one sentence.
    :param fault: why it cannot be used; empty if it can.
    :param takes: kinds of rows of a sink, or of keys of an enricher; empty for all.
    :param configured: where its settings stand in the configuration.
    :param argument: the setting that ``--sink NAME:ARG`` sets; empty if none may be set so.
    :param limits: settings that every plug-in of the kind has beside them.
    """

    kind: str
    name: str
    package: str
    version: str
    object: str
    summary: str
    fault: str
    takes: list[str]
    configured: str
    argument: str
    settings: list[Setting]
    limits: list[Setting]


def listed(name: str | None = None) -> list[Listed]:
    """All that are installed, or those of this name.

    :raises UsageError: if there is none of this name.
    """
    every = [plugin for kind in PLUGIN_KINDS for plugin in installed(kind)]
    wanted = [plugin for plugin in every if name in (None, plugin.name)]
    if not wanted:
        names = ", ".join(dict.fromkeys(plugin.name for plugin in every))
        raise UsageError(f"unknown plug-in {name!r}", f"installed: {names}")
    return [_listed(plugin, every) for plugin in wanted]


def _listed(plugin: Plugin, every: list[Plugin]) -> Listed:
    twins = [other for other in every if (other.kind, other.name) == (plugin.kind, plugin.name)]
    fault, loaded = "", None
    try:
        loaded = load(plugin)
    except UsageError as error:
        fault = str(error)
    if len(twins) > 1:
        packages = " and ".join(f"{twin.package} {twin.version}" for twin in twins)
        fault = f"two packages have a {plugin.kind.name} {plugin.name}: {packages}: uninstall one of them"
    config = loaded.Config if loaded is not None and plugin.kind.contract else None
    return Listed(
        kind=plugin.kind.name,
        name=plugin.name,
        package=plugin.package,
        version=plugin.version,
        object=plugin.entry.value,
        summary=_summary(loaded),
        fault=fault,
        takes=_takes(plugin, loaded) if config else [],
        configured=_configured(plugin),
        argument=_argument(config) if plugin.kind is SINK and config else "",
        settings=list(described(config)) if config else [],
        limits=list(_limits()) if plugin.kind is SINK else [],
    )


def _summary(loaded: Any) -> str:
    """The first sentence of a class's docstring, or of what a declaration says of itself."""
    if isinstance(loaded, Probe):
        return "; ".join(feature.purpose for feature in loaded.features)
    text = inspect.getdoc(loaded) if isinstance(loaded, type) else str(getattr(loaded, "page", ""))
    sentence = re.split(r"(?<=\.)\s", " ".join((text or "").split()), maxsplit=1)[0]
    return sentence.replace("``", "`").rstrip(".")


def _takes(plugin: Plugin, loaded: Any) -> list[str]:
    if plugin.kind is SINK:
        return list(kind_names(loaded))
    return sorted(map(str, loaded.kinds)) if isinstance(getattr(loaded, "kinds", None), frozenset) else []


def _configured(plugin: Plugin) -> str:
    if plugin.kind is SINK:
        return f"sinks: [{{name: {plugin.name}, settings: {{…}}}}]"
    if plugin.kind is ENRICHER and plugin.package == OWN:
        return f"{SECTIONS[plugin.name]}: {{…}}"
    if plugin.kind is PROBE:
        return f"probes: {{{plugin.name}: on}}"
    return f"enrichers: [{{name: {plugin.name}, settings: {{…}}}}]" if plugin.kind is ENRICHER else ""


def _argument(config: type[msgspec.Struct]) -> str:
    """The first setting, unless all that can stand there is secret."""
    first = next(iter(msgspec.structs.fields(config)), None)
    if first is None or any(secrets_in(config, {first.name: "text"})):
        return ""
    return first.encode_name


def _limits() -> Iterator[Setting]:
    return (setting for setting in described(SinkConfig) if setting.name.split(".")[0] in _OF_EVERY_SINK)
