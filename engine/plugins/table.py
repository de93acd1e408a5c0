"""Plug-ins as text for people."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from engine.plugins.declared import ListedFeature
from engine.plugins.listing import Listed
from engine.plugins.settings import Setting

#: Columns that the last column of a table has at least, however narrow the terminal is.
_NARROWEST: Final = 24
_GAP: Final = "  "


def overview(plugins: Sequence[Listed], width: int) -> str:
    """A line for each, or some where the terminal is narrow."""
    rows = [
        (each.kind, each.name, f"{each.package} {each.version}".strip(), each.fault or _what(each))
        for each in plugins
    ]
    return "".join(_table(("KIND", "NAME", "PACKAGE", "WHAT IT IS"), rows, width))


def _what(plugin: Listed) -> str:
    """In one sentence; of a probe with the hooks that it would like best."""
    hooks: dict[str, list[str]] = {}
    for feature in plugin.features:
        for kind, _, target in (hook.rpartition(" ") for way in feature.ways[:1] for hook in way):
            hooks.setdefault(kind, []).append(target)
    named = [f"{kind} {', '.join(dict.fromkeys(targets))}".strip() for kind, targets in hooks.items()]
    return f"{plugin.summary} ({'; '.join(named)})" if named else plugin.summary


def details(plugin: Listed, width: int) -> str:
    """All that is known of one."""
    return "\n".join(_sections(plugin, width))


def _sections(plugin: Listed, width: int) -> Iterator[str]:
    head = f"{plugin.kind} {plugin.name}, of {plugin.package} {plugin.version} ({plugin.object})"
    yield "".join(_wrapped(text, width) for text in (head, plugin.fault or plugin.summary) if text)
    if plugin.takes:
        yield _wrapped(f"Takes: {', '.join(plugin.takes)}", width)
    if plugin.configured:
        yield "".join(_wrapped(text, width) for text in _ways(plugin))
    if plugin.features:
        rows = [(feature.name, _feature(feature)) for feature in plugin.features]
        yield "".join(_table(("FEATURE", "WHAT IT DOES, AND HOW"), rows, width))
    elif plugin.columns:
        columns = [(each.name, each.type, each.unit, each.meaning) for each in plugin.columns]
        yield "".join(_table(("COLUMN", "TYPE", "UNIT", "MEANING"), columns, width))
    elif plugin.settings:
        yield "".join(_settings(plugin.settings, width))
    elif plugin.configured:
        yield "It has no settings.\n"
    if plugin.limits:
        yield "Beside its settings, as every sink:\n" + "".join(_settings(plugin.limits, width))


def _ways(plugin: Listed) -> Iterator[str]:
    """How it is asked for."""
    yield f"In the configuration: {plugin.configured}"
    if plugin.limits:
        argument = f":ARG, which sets `{plugin.argument}`" if plugin.argument else ""
        yield f"On the command line: --sink {plugin.name}{argument}"


def _feature(feature: ListedFeature) -> str:
    """What it does, by which hooks, and what is missing without it."""
    ways = " or ".join(" + ".join(way) for way in feature.ways)
    loss = f"; without it {feature.loss}" if feature.loss else ""
    return f"{feature.purpose}: {ways}{loss}"


def _settings(settings: Sequence[Setting], width: int) -> Iterator[str]:
    rows = [(each.name, each.type, _default(each), each.meaning.replace("``", "`")) for each in settings]
    return _table(("SETTING", "TYPE", "DEFAULT", "MEANING"), rows, width)


def _default(setting: Setting) -> str:
    return "(required)" if setting.required else msgspec.json.encode(setting.default).decode()


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Lines: all columns but the last as wide as they must be, the last one wrapped."""
    *columns, _ = zip(titles, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    indent = sum(widths) + len(_GAP) * len(widths)
    for *cells, last in (titles, *rows):
        begin = "".join(cell.ljust(size) + _GAP for cell, size in zip(cells, widths, strict=True))
        room = max(_NARROWEST, width - indent)
        lines = textwrap.wrap(last, room, break_on_hyphens=False) or [""]
        yield f"{begin}{lines[0]}".rstrip() + "\n"
        yield from (f"{' ' * indent}{line}\n" for line in lines[1:])


def _wrapped(text: str, width: int) -> str:
    lines = textwrap.wrap(text, max(_NARROWEST, width), break_on_hyphens=False, break_long_words=False)
    return "".join(f"{line}\n" for line in lines)
