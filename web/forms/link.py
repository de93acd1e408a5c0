"""A link to the page that shows the same: absolute times, the words of the API."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from model.errors import UsageError
from store.queries.answers import Period
from store.queries.parameters import MapParameters


def link_of(server: str, asked: MapParameters, period: Period, against: Period | None = None) -> str:
    """``http://127.0.0.1:8686/map?select=…&at=…&w=5m``.

    :param against: the window that it is compared with.
    :raises UsageError: if it is of another length: the page compares windows of one length.
    """
    if against is not None and against.to_s - against.from_s != period.to_s - period.from_s:
        raise UsageError(
            "the page compares windows of the same length", "say against as one time, such as -1d"
        )
    words: list[tuple[str, Any]] = [("select", name) for name in asked.select]
    words += [("hops", asked.hops), ("dir", asked.direction), ("group", asked.group)]
    words += [("at", _time(period.to_s)), ("w", f"{period.to_s - period.from_s}s")]
    if against is not None:
        words.append(("against", _time(against.to_s)))
    if asked.q:
        words.append(("q", asked.q))
    return f"{server.rstrip('/')}/map?{urlencode(words, quote_via=quote, safe='/:')}"


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
