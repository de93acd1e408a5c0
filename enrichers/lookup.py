"""One enricher that fails leaves the answers of the others, and the flows, as they are."""

import logging

from model.enricher import Enricher, Entity, KeyKind

log = logging.getLogger(__name__)

_complained: set[str] = set()


def ask(enricher: Enricher, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
    """What it answers; None if it fails, which is logged the first time."""
    try:
        return enricher.lookup(kind, value, at_ns)
    except Exception:  # whatever it is: it is no reason to lose a flow
        if enricher.name not in _complained:
            _complained.add(enricher.name)
            log.exception("the enricher %s fails: what it knows is missing in flows", enricher.name)
        return None
