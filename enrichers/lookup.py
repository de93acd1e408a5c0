"""Calls of enrichers: one that fails leaves the answers of the others, and the flows, as they are."""

import logging
from collections.abc import Callable
from importlib.metadata import packages_distributions, version

from model.enricher import Enricher, Entity, KeyKind
from model.errors import TailraceError, UsageError, one_line

log = logging.getLogger(__name__)

_complained: set[str] = set()


async def start(enricher: Enricher, node: str) -> None:
    """Start it.

    :raises TailraceError: what it raises; anything else becomes one line that names the enricher and its package.
    """
    try:
        await enricher.start(node)
    except TailraceError:
        raise
    except Exception as error:
        log.debug("%s", enricher.name, exc_info=True)
        what = f"enricher {enricher.name}{_origin(enricher)} cannot be started ({one_line(error)})"
        raise UsageError(what, "see docs/plugins.md") from error


def _origin(enricher: Enricher) -> str:
    """The package that it comes from, for errors; slow."""
    module = type(enricher).__module__.split(".")[0]
    packages = packages_distributions().get(module, [])
    return f" of {packages[0]} {version(packages[0])}" if packages else ""


def ask(enricher: Enricher, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
    """What it answers; None if it fails."""
    return answer(enricher, lambda: enricher.lookup(kind, value, at_ns))


def answer(enricher: Enricher, question: Callable[[], Entity | None]) -> Entity | None:
    """What it answers to any question; None if it fails, which is logged the first time."""
    try:
        return question()
    except Exception:  # whatever it is: it is no reason to lose a flow
        if enricher.name not in _complained:
            _complained.add(enricher.name)
            log.exception("the enricher %s fails: what it knows is missing in flows", enricher.name)
        return None
