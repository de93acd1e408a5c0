"""All that is there: plug-ins that are installed, and the probes and kinds of rows that Tailrace has itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from engine.plugins.probes import fault_of
from engine.plugins.registry import OWN, PLUGIN_KINDS, PROBE, ROW_KIND, Plugin, PluginKind, installed, load
from model.errors import UsageError
from model.kinds import DECLARED
from model.probe import Probe
from model.version import VERSION
from probes.registry import PROBES


@dataclass(frozen=True)
class Found:
    """One of them.

    :param loaded: the class or the declaration; None if it cannot be loaded.
    :param fault: why it cannot be used; empty if it can.
    """

    plugin: Plugin
    loaded: Any
    fault: str = ""

    @property
    def names(self) -> set[str]:
        """Those that no other of its kind may have; a kind of rows has its plural beside."""
        kind = self.plugin.kind is ROW_KIND and self.loaded
        return {self.plugin.name} | ({kind.name, kind.plural} if kind else set())


def inventory() -> list[Found]:
    """By kind of plug-in; Tailrace's own first, then by name."""
    found = [*_own(), *(_found(plugin) for kind in PLUGIN_KINDS for plugin in installed(kind))]
    found += _kinds_of_probes(found)
    order = [kind.name for kind in PLUGIN_KINDS]
    found.sort(key=lambda each: (order.index(each.plugin.kind.name), each.plugin.package != OWN))
    return [_checked(each, found) for each in found]


def _own() -> Iterator[Found]:
    """What Tailrace declares in a registry, and not by an entry point."""
    for probe in PROBES:
        if probe.features:
            yield Found(_declared(PROBE, probe.name, "probes.registry:PROBES"), probe)
    for kind in DECLARED:
        yield Found(_declared(ROW_KIND, kind.name, "model.kinds:DECLARED"), kind)


def _declared(kind: PluginKind, name: str, where: str) -> Plugin:
    return Plugin(kind, name, OWN, VERSION, EntryPoint(name, where, kind.group))


def _found(plugin: Plugin) -> Found:
    try:
        return Found(plugin, load(plugin))
    except UsageError as error:
        return Found(plugin, None, str(error))


def _kinds_of_probes(found: Iterable[Found]) -> list[Found]:
    """Kinds of rows that come with a probe of another package, and have no entry point of their own."""
    listed = [each.loaded for each in found]
    return [
        Found(Plugin(ROW_KIND, receiver.kind.name, probe.package, probe.version, probe.entry), receiver.kind)
        for probe, loaded in ((each.plugin, each.loaded) for each in found)
        if isinstance(loaded, Probe)
        for receiver in loaded.receivers
        if receiver.kind not in listed
    ]


def _checked(one: Found, every: Iterable[Found]) -> Found:
    """With its fault, if it does not go together with the others."""
    plugin = one.plugin
    if plugin.kind is PROBE and plugin.package != OWN and one.loaded is not None:
        others = {
            other.plugin.title: other.loaded
            for other in every
            if other.plugin.kind is PROBE
            and other.plugin.package != OWN
            and other is not one
            and other.loaded
        }
        return Found(plugin, one.loaded, fault_of(plugin.title, one.loaded, others))
    twins = [other.plugin for other in every if other.plugin.kind is plugin.kind and other.names & one.names]
    if len(twins) == 1:
        return one
    packages = " and ".join(f"{twin.package} {twin.version}" for twin in twins)
    fault = f"two packages have a {plugin.kind.name} {plugin.name}: {packages}: uninstall one of them"
    return Found(plugin, one.loaded, fault)
