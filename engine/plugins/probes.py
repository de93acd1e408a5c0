"""The probes of this program: its own, and those of others that are installed or named in the configuration."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Protocol

from engine.plugins.registry import OWN, PROBE, Plugin, installed, load
from model.errors import UsageError
from model.kinds import register
from model.probe import Probe
from probes.kernel.event_types import EventTypes
from probes.registry import PROBES
from probes.selection import ProbeConfig, Selection

log = logging.getLogger(__name__)


class ConfigOfProbes(ProbeConfig, Protocol):
    """The configuration, as far as it speaks of probes."""

    @property
    def probes(self) -> Mapping[str, str]:
        """Of others: ``auto``, ``on`` or ``off`` by the name under which they are installed, or ``module:NAME``."""


@dataclass(frozen=True)
class _Other:
    """A probe of another package, and the word that the configuration has for it."""

    title: str
    probe: Probe
    word: str


def select(config: ConfigOfProbes) -> Selection:
    """All probes, with what the configuration says of them. The kinds of their rows are known from now on.

    :raises UsageError: if one cannot be had, or two do not go together.
    """
    own = {probe.name for probe in PROBES if probe.switch and not probe.switch.key}
    others = list(_others({name: word for name, word in config.probes.items() if name not in own}))
    for probe in PROBES:
        _register_kinds(f"probe {probe.name}", probe)
    for other in others:
        _check_names(other, [probe for probe in others if probe is not other])
        _register_kinds(other.title, other.probe)
    words = {name: word for name, word in config.probes.items() if name in own}
    words |= {other.probe.name: other.word for other in others if other.word}
    return Selection(config, (*PROBES, *(other.probe for other in others)), words)


def fault_of(title: str, probe: Probe, others: Mapping[str, Probe]) -> str:
    """Why a probe of another package cannot be used beside ours and the others, by their titles; empty if it can."""
    try:
        _check_names(_Other(title, probe, ""), [_Other(other, each, "") for other, each in others.items()])
        EventTypes((*PROBES, probe))
    except UsageError as error:
        return str(error)
    return ""


def _others(words: Mapping[str, str]) -> Iterator[_Other]:
    """Those that are installed, then those that are named by their module. One that is off may be broken."""
    plugins = [plugin for plugin in installed(PROBE) if plugin.package != OWN]
    named = [_by_module(name) for name in words if ":" in name]
    known = {plugin.name for plugin in (*plugins, *named)}
    for name in words:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UsageError(f"probes.{name}: unknown probe", f"installed probes of other packages: {names}")
    for plugin in (*plugins, *named):
        word = words.get(plugin.name, "")
        try:
            yield _Other(plugin.title, load(plugin), word)
        except UsageError as error:
            if word != "off":
                raise
            log.info("%s, which is off", error)


def _by_module(name: str) -> Plugin:
    return Plugin(PROBE, name, "the configuration", "", EntryPoint(name, name, PROBE.group))


def _check_names(other: _Other, others: list[_Other]) -> None:
    """`capabilities`, `doctor` and the configuration go by the names of probes and features.

    :raises UsageError: if it has one that another has.
    """
    taken = {probe.name: f"the probe {probe.name} of Tailrace" for probe in PROBES}
    taken |= {each.probe.name: each.title for each in others}
    if other.probe.name in taken:
        raise UsageError(f"{other.title} has the name of {taken[other.probe.name]}", "rename one of them")
    features = {
        feature.name for probe in (*PROBES, *(each.probe for each in others)) for feature in probe.features
    }
    for feature in other.probe.features:
        if feature.name in features:
            raise UsageError(
                f"{other.title} has a feature {feature.name}, as another probe does", "rename it"
            )


def _register_kinds(title: str, probe: Probe) -> None:
    for receiver in probe.receivers:
        try:
            register(receiver.kind)
        except ValueError as error:
            raise UsageError(f"{title}: {error}", "rename its kind of rows") from error
