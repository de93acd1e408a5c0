"""What a sink gets of each batch, from its ``where`` and ``fields``."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from engine.config import SinkConfig
from model.errors import UsageError
from model.filter.filter import BoundFilter
from model.filter.words import FilterError
from model.kind import Kind
from model.narrowing import unknown
from sinks.shape import Shape

#: In the place of patterns: those that each kind declares.
BRIEF: Final = "brief"


def shape_of(wanted: SinkConfig, kinds: Sequence[Kind], path: str, words: str) -> Shape:
    """The filters and the fields.

    :param path: of the sink, for errors.
    :param words: a filter of the command line.
    :raises UsageError: if a word or a field means nothing for these kinds.
    """
    filters = [BoundFilter(words, kinds)] if words else []
    if wanted.where:
        try:
            filters.append(BoundFilter(wanted.where, kinds))
        except FilterError as error:
            raise UsageError(f"{error.what} - at `{path}.where`", error.remedy) from None
    patterns = [wanted.fields] if isinstance(wanted.fields, str) else wanted.fields
    _check(patterns, kinds, path)
    narrowed = {kind.name: replace(kind, only=only) for kind in kinds if (only := _patterns(patterns, kind))}
    return Shape(filters, narrowed)


def _patterns(patterns: Sequence[str], kind: Kind) -> tuple[str, ...]:
    return tuple(each for pattern in patterns for each in (kind.brief if pattern == BRIEF else (pattern,)))


def _check(patterns: Sequence[str], kinds: Sequence[Kind], path: str) -> None:
    """Each pattern means something for one of the kinds."""
    named = [pattern for pattern in patterns if pattern != BRIEF]
    faults = [set(unknown(named, kind.rows.fields, kind.entities)) for kind in kinds]
    for pattern in named:
        if all(pattern in fault for fault in faults):
            names = [field.name for kind in kinds for field in kind.rows.fields]
            close = get_close_matches(pattern.lstrip("-"), names, 1)
            remedy = (
                f"did you mean {close[0]}?" if close else "names and patterns are those of docs/schema.md"
            )
            rows = " and ".join(kind.plural for kind in kinds)
            raise UsageError(f"{rows} have no field {pattern!r} - at `{path}.fields`", remedy)
