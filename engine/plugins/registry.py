"""Which plug-ins are installed, and loading them: each is the object behind an entry point of its kind's group."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Final

import msgspec

from model.alert_target import AlertTarget
from model.enricher import Enricher
from model.errors import TailraceError, UsageError, one_line
from model.kind import Kind
from model.probe import Probe
from model.settings import PluginConfig
from model.sink import Sink

#: The package of the program itself.
OWN: Final = "tailrace"
_REMEDY: Final = "see docs/plugins.md"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PluginKind:
    """A kind of plug-in.

    :param name: as people say it.
    :param group: of entry points.
    :param contract: the protocol that its classes keep; None for what is declared, not written as a class.
    :param declared: the type of what is declared.
    :param page: says how one is written.
    """

    name: str
    group: str
    contract: type[Any] | None = None
    declared: type[Any] | None = None
    page: str = "docs/plugins.md"

    @property
    def methods(self) -> list[str]:
        """Those that a class must have."""
        members = vars(self.contract) if self.contract else {}
        return [name for name, member in members.items() if getattr(member, "__isabstractmethod__", False)]

    @property
    def attributes(self) -> list[str]:
        """Those that its instances must have."""
        members = vars(self.contract) if self.contract else {}
        properties = [name for name, member in members.items() if isinstance(member, property)]
        return [*members.get("__annotations__", ()), *properties]


SINK: Final = PluginKind("sink", "tailrace.sinks", Sink)
ENRICHER: Final = PluginKind("enricher", "tailrace.enrichers", Enricher)
PROBE: Final = PluginKind("probe", "tailrace.probes", declared=Probe, page="docs/writing-a-probe.md")
ROW_KIND: Final = PluginKind("row kind", "tailrace.kinds", declared=Kind)
ALERT_TARGET: Final = PluginKind("alert target", "tailrace.alerts", AlertTarget, page="docs/alerts.md")
PLUGIN_KINDS: Final = (SINK, ALERT_TARGET, ENRICHER, PROBE, ROW_KIND)


@dataclass(frozen=True)
class Plugin:
    """One that is installed.

    :param package: the distribution that it came with, and its version.
    """

    kind: PluginKind
    name: str
    package: str
    version: str
    entry: EntryPoint = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """For errors: our own go without their package."""
        own = self.package == OWN
        return f"{self.kind.name} {self.name}" + (
            "" if own else f" of {self.package} {self.version}".rstrip()
        )


def installed(kind: PluginKind) -> list[Plugin]:
    """All of a kind, by name; two of one name stand side by side."""
    found = (_plugin(kind, entry) for entry in _entry_points(kind.group))
    return sorted(found, key=lambda plugin: (plugin.name, plugin.package))


def plugin_named(kind: PluginKind, name: str) -> Plugin:
    """The one of this name.

    :raises UsageError: if there is none, or if two packages have one.
    """
    known = installed(kind)
    found = [plugin for plugin in known if plugin.name == name]
    if not any(plugin.package == OWN for plugin in known):
        what = f"the installed package {OWN} has no {kind.name}s: it is older than this code"
        raise UsageError(what, "install it again: pip install -e .")
    if not found:
        names = ", ".join(dict.fromkeys(plugin.name for plugin in known))
        raise UsageError(f"unknown {kind.name} {name!r}", f"installed {kind.name}s: {names}")
    if len(found) > 1:
        packages = " and ".join(f"{plugin.package} {plugin.version}" for plugin in found)
        raise UsageError(f"two packages have a {kind.name} {name}: {packages}", "uninstall one of them")
    return found[0]


def load(plugin: Plugin) -> Any:
    """The class, or the declaration, behind the entry point.

    :raises UsageError: if it cannot be imported, or does not keep the contract of its kind.
    """
    try:
        loaded = plugin.entry.load()
    except (Exception, SystemExit) as error:
        log.debug("%s", plugin.title, exc_info=True)
        remedy = "install what it needs, or uninstall its package"
        raise UsageError(f"{plugin.title} cannot be imported ({one_line(error)})", remedy) from error
    for fault in _faults(plugin.kind, loaded):
        raise UsageError(f"{plugin.title} {fault}", f"see {plugin.kind.page}")
    return loaded


def made(plugin: Plugin, factory: Any, config: msgspec.Struct) -> Any:
    """An instance.

    :raises UsageError: if the constructor fails.
    """
    try:
        instance = factory(config)
    except TailraceError as error:
        raise UsageError(f"{plugin.title}: {error.what}", error.remedy) from error
    except (Exception, SystemExit) as error:
        log.debug("%s", plugin.title, exc_info=True)
        raise UsageError(f"{plugin.title} cannot be made ({one_line(error)})", _REMEDY) from error
    for name in plugin.kind.attributes:
        if not hasattr(instance, name):
            raise UsageError(f"{plugin.title} has no attribute {name}", _REMEDY)
    return instance


def _faults(kind: PluginKind, loaded: Any) -> Iterator[str]:
    """What a class, or a declaration, lacks."""
    if kind.declared:
        if not isinstance(loaded, kind.declared):
            yield f"is no tailrace.api.{kind.declared.__name__}, but {type(loaded).__name__}"
        return
    if not isinstance(loaded, type):
        yield f"is no class, but {type(loaded).__name__}"
        return
    for name in kind.methods:
        method = getattr(loaded, name, None)
        if not callable(method) or getattr(method, "__isabstractmethod__", False):
            yield f"has no method {name}"
    config = getattr(loaded, "Config", None)
    if not (isinstance(config, type) and issubclass(config, PluginConfig)):
        yield "has no Config that derives from tailrace.api.PluginConfig"


@cache
def _entry_points(group: str) -> EntryPoints:
    """Read once: every installed distribution is looked at."""
    return entry_points(group=group)


def _plugin(kind: PluginKind, entry: EntryPoint) -> Plugin:
    package = entry.dist
    name, version = (package.name, package.version) if package else ("an unknown package", "")
    return Plugin(kind, entry.name, name, version, entry)
