"""Fewer fields than a kind has, chosen by patterns: ``client.*``, ``*.entity.k8s.pod.name``, ``-*.cgroup.*``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from model.arrays import Columns, Tables
from model.enricher import Entity
from model.rows.fields import UNSET, Field, Values

#: Names of attributes that are remembered.
_NAMES = 4096


class Wanted:
    """Which names are.

    :param patterns: those of names, and with ``-`` before them those of names that are left out; the latter alone
        leave all others.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._out = [pattern[1:] for pattern in patterns if pattern.startswith("-")]
        self._in = [pattern for pattern in patterns if not pattern.startswith("-")] or ["*"]
        self._parents = {
            pattern[:end] for pattern in self._in for end, sign in enumerate(pattern) if sign == "."
        }
        #: Whether all names are wanted.
        self.all = not patterns
        self.name = lru_cache(_NAMES)(self._name)
        self.some = lru_cache(_NAMES)(self._some)
        self.attribute = lru_cache(_NAMES)(self._attribute)

    def _name(self, name: str) -> bool:
        """Whether a field is; of a map of attributes, whether all of it is."""
        return _any(name, self._in) and not _any(name, self._out)

    def _attribute(self, field: str, name: str) -> bool:
        """Whether an attribute of a field is."""
        whole = f"{field}.{name}"
        return (self.name(field) or _any(whole, self._in)) and not _any(whole, self._out)

    def _some(self, field: str) -> bool:
        """Whether all of a map of attributes is, or an attribute of it may be."""
        return self.name(field) or _any(field, sorted(self._parents))

    def entity(self, field: str, entity: Entity) -> dict[str, str]:
        """The attributes of somebody that are."""
        return {name: text for name, text in entity.items() if self.attribute(field, name)}


def unknown(patterns: Sequence[str], fields: Iterable[Field], entities: set[str]) -> list[str]:
    """Patterns that no field has anything to do with."""
    names = [field.name for field in fields]
    return [
        pattern
        for pattern in patterns
        if not any(fnmatchcase(name, pattern.removeprefix("-")) for name in names)
        and not any(Wanted([pattern.removeprefix("-")]).some(name) for name in entities)
    ]


def narrowed(fields: Iterable[Field], entities: set[str], wanted: Wanted) -> Iterator[Field]:
    """The fields that are wanted.

    :param entities: the fields that are maps of attributes; of these some attributes may be wanted alone.
    """
    for field in fields:
        if wanted.all:
            yield field
        elif field.name in entities:
            if wanted.some(field.name):
                yield _fewer(field, wanted)
        elif wanted.name(field.name):
            yield field


def _fewer(field: Field, wanted: Wanted) -> Field:
    """The attributes that are wanted; nothing where nobody has one."""

    def values(columns: Columns, tables: Tables) -> Values:
        known: dict[int, object] = {}
        return [_cut(known, field.name, entity, wanted) for entity in field.values(columns, tables)]

    return field._replace(values=values)


def _cut(known: dict[int, object], name: str, entity: object, wanted: Wanted) -> object:
    """One object for each that is the same."""
    if not isinstance(entity, Mapping):
        return UNSET
    if id(entity) not in known:
        known[id(entity)] = wanted.entity(name, entity) or UNSET
    return known[id(entity)]


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
