"""The row kinds: one file or folder each; a new one is one more line here, or an entry point of somebody else."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Final

from model.errors import UsageError, one_line
from model.kind import Kind
from model.kinds.delta import DELTA
from model.kinds.drop import DROP
from model.kinds.endpoint import ENDPOINT
from model.kinds.flow import FLOW
from model.kinds.ledger import LEDGER
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.request import REQUEST
from model.kinds.workload import WORKLOAD
from model.subjects import Public, public_rows

#: Entry points of kinds that other packages declare: each names a ``Kind``.
GROUP: Final = "tailrace.kinds"

#: Those of this program, in the order of the schema page.
DECLARED: Final = (FLOW, WORKLOAD, ENDPOINT, REQUEST, QUERY, LISTENER, DROP, DELTA, LEDGER)
_kinds: Final[dict[str, Kind]] = {kind.name: kind for kind in DECLARED}


def register(kind: Kind) -> Kind:
    """Makes a kind known to this process; returns it.

    :raises ValueError: if it is none, or another one has its name.
    """
    if not isinstance(kind, Kind):
        raise ValueError(f"{kind!r} is no Kind")  # noqa: TRY004 - of whoever declares kinds
    for other in _kinds.values():
        if other is not kind and {other.name, other.plural} & {kind.name, kind.plural}:
            raise ValueError(f"there is a kind {other.name} ({other.plural}) already")
    _kinds[kind.name] = kind
    return kind


def forget(kind: Kind) -> None:
    """Makes it unknown again: after a test that registered it."""
    _kinds.pop(kind.name, None)


def kinds() -> Iterable[Kind]:
    """All kinds of rows, those of other packages last.

    :raises UsageError: if one of these cannot be loaded, or has the name of another.
    """
    _load()
    return tuple(kind for kind in _kinds.values() if kind.columns)


def kind_named(name: str) -> Kind | None:
    """The kind of this name, or plural; None if nobody declared it."""
    if name not in _kinds:
        _load()
    return _kinds.get(name) or next((kind for kind in _kinds.values() if kind.plural == name), None)


def public_named(name: str) -> Public | None:
    """Where rows of a kind are published, also of one that nobody declared here; None: nowhere."""
    kind = kind_named(name)
    return kind.public if kind else public_rows(name)


@cache
def _load() -> None:
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else "unknown"
        try:
            kind = entry.load()
            register(kind)
        except Exception as error:
            what = f"the kind {entry.name} of the package {package} cannot be used ({one_line(error)})"
            raise UsageError(what, f"repair or remove {package}") from error
