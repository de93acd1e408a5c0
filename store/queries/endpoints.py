"""What workloads ask each other for: method, route, status, and how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model.requests import NO_GRPC_STATUS
from store.measures import ENDPOINT_PARTS, Measures
from store.queries.answers import ChangeState, Evidence
from store.queries.change import CHANGED_SCORE, rates, shares
from store.queries.filtering import split
from store.queries.listings import EndpointChange, EndpointRow, EndpointsAnswer
from store.queries.pairs import edge_id
from store.queries.parameters import EndpointsParameters
from store.queries.requested import Kinds, counted_once, durations, kinds_of, quantiles
from store.queries.scope import Scope
from store.queries.tables import begin_of, selected_rows
from store.reading import Endpoints, Window

_ENDS: Final = ("client", "server", "port")
_EVIDENCE: Final = ("evidence.both", "evidence.client", "evidence.server")


def endpoints_answer(scope: Scope, asked: EndpointsParameters) -> EndpointsAnswer:
    """A page of the table.

    :raises NotFoundError: if something is named that is not known.
    :raises UsageError: if the cursor is none.
    """
    windows = [scope.when.window, *([scope.when.against] if scope.when.against else [])]
    held = [_endpoints(scope, asked, window) for window in windows]
    if asked.edge and not any(map(len, held)):
        scope = scope.without_proxies()
        held = [_endpoints(scope, asked, window) for window in windows]
    once = [counted_once(each, scope.words) for each in held]
    if "via" not in asked.by:
        held = once
    parts = [name for name in ENDPOINT_PARTS if name in asked.by]
    if "status_class" in asked.by and "status" not in asked.by:
        held = [_with_classes(each) for each in held]
        parts.append("status_class")
    kinds = kinds_of(held, scope.groups, [end for end in _ENDS if end in asked.by], parts)
    rows = _Rows(scope, kinds, asked.by, parts)
    busiest = -kinds.now["requests"].astype(np.int64)
    order = np.lexsort((busiest, _values(kinds, asked.sort)))
    begin = begin_of(asked.cursor, len(kinds))
    page = order[begin : begin + asked.limit].tolist()
    end = begin + len(page)
    return EndpointsAnswer(
        endpoints=[rows.row(place) for place in page],
        of=len(kinds),
        requests=int(once[0].measures["requests"].sum()),
        failed=int(once[0].measures["requests.failed"].sum()),
        cursor=str(end) if end < len(kinds) else None,
    )


def _endpoints(scope: Scope, asked: EndpointsParameters, window: Window) -> Endpoints:
    """Those of the edges that are meant."""
    edges = None
    if asked.select or asked.edge or _is_about_connections(scope.words):
        rows = selected_rows(scope, asked.select, asked.edge)
        side = scope.pairs.now if window == scope.when.window else scope.pairs.before
        assert side is not None
        edges = side.edges.ids[np.isin(side.pairs, rows)]
    found = scope.endpoints(window, edges)
    if not asked.select or asked.direction == "both":
        return found
    ends = found.servers if asked.direction == "up" else found.clients
    mine = np.isin(scope.groups.of(ends), scope.selected(asked.select))
    return found.take(np.flatnonzero(mine))


def _is_about_connections(words: str) -> bool:
    """Whether words choose edges: what a proxy passed on has none, unless its ends have a connection, too."""
    divided = split(words)
    return bool(divided.plain or divided.instances)


def _with_classes(endpoints: Endpoints) -> Endpoints:
    """With the class of each status as a part: 5."""
    parts = {**endpoints.parts, "status_class": endpoints.parts["status"] // 100}
    return Endpoints(
        **{name: getattr(endpoints, name) for name in Endpoints.__dataclass_fields__ if name != "parts"},
        parts=parts,
    )


def _values(kinds: Kinds, sort: str) -> np.ndarray:
    """What rows are sorted by, ascending."""
    name, sums = sort.removeprefix("-"), kinds.now
    if name in ("p50", "p99"):
        values = quantiles(sums, 0.5 if name == "p50" else 0.99)
    elif name == "bytes":
        values = sums["http.request.bytes"].astype(np.float64) + sums["http.response.bytes"]
    else:
        values = sums["requests" if name == "requests" else "requests.failed"].astype(np.float64)
    return values if sort.startswith("-") else -values


@dataclass
class _Rows:
    """Rows on their way to an answer.

    :param by: what tells them apart; ``parts`` those of these that are parts of endpoints.
    """

    scope: Scope
    kinds: Kinds
    by: Sequence[str]
    parts: Sequence[str]

    def row(self, place: int) -> EndpointRow:
        """One of them."""
        now, when = self.kinds.now, self.scope.when
        shown = now if now["last_s"][place] or self.kinds.before is None else self.kinds.before
        requests = int(now["requests"][place])
        return EndpointRow(
            **self._ends(place),
            **self._parts(place),
            requests=requests,
            failed=int(now["requests.failed"][place]),
            rate=round(requests / when.known_seconds(when.window), 4),
            request_bytes=int(now["http.request.bytes"][place]),
            response_bytes=int(now["http.response.bytes"][place]),
            client_ns=durations(now, "client", place),
            server_ns=durations(now, "server", place),
            evidence=_evidence(shown, place),
            change=self._change(place),
            first_s=when.second(int(shown["first_s"][place])),
            last_s=when.second(int(shown["last_s"][place])),
        )

    def _ends(self, place: int) -> Mapping[str, Any]:
        groups = self.scope.groups
        client, server, port, transport = self.kinds.codes[place, :4].tolist()
        told = [name in self.by for name in _ENDS]
        ids = groups.ids
        return {
            "client": groups.names[client].key if told[0] else "",
            "server": groups.names[server].key if told[1] else "",
            "port": port if told[2] else None,
            "edge": edge_id(int(ids[client]), int(ids[server]), port, transport) if all(told) else "",
        }

    def _parts(self, place: int) -> dict[str, Any]:
        """What the requests were of."""
        codes = self.kinds.codes[place, 4:].tolist()
        told: dict[str, Any] = {
            name: texts[code] for name, texts, code in zip(self.parts, self.kinds.texts, codes, strict=True)
        }
        status = int(told["status"]) if "status" in told else None
        hundred = told.get("status_class", None if status is None else status // 100)
        grpc = int(told.get("grpc_status", NO_GRPC_STATUS))
        return {
            **{name: str(told.get(name, "")) for name in ("protocol", "method", "route", "host")},
            **{name: str(told.get(name, "")) for name in ("via", "cluster")},
            "status": status,
            "status_class": "" if hundred is None else f"{hundred}xx" if hundred else "none",
            "grpc_status": None if grpc == NO_GRPC_STATUS else grpc,
        }

    def _change(self, place: int) -> EndpointChange | None:
        """From the window that it is compared with."""
        if self.kinds.before is None or self.scope.when.against is None:
            return None
        before, now = (self._counts(each, place) for each in (self.kinds.before, self.kinds.now))
        score = self._score(place)
        state: ChangeState = "changed" if score >= CHANGED_SCORE else "same"
        if not before[0] or not now[0]:
            state = "new" if now[0] else "gone"
        return EndpointChange(state, round(score, 3), *zip(before, now, strict=True))

    @staticmethod
    def _counts(measures: Measures, place: int) -> tuple[int, int, int]:
        """Requests, failed ones, and the p99."""
        one = measures.take(np.array([place]))
        return int(one["requests"][0]), int(one["requests.failed"][0]), int(quantiles(one, 0.99)[0])

    def _score(self, place: int) -> float:
        when = self.scope.when
        assert self.kinds.before is not None
        assert when.against is not None
        now, before = (
            [each[name][place : place + 1].astype(np.float64) for name in ("requests.failed", "requests")]
            for each in (self.kinds.now, self.kinds.before)
        )
        seconds = when.known_seconds(when.window), when.known_seconds(when.against)
        return max(float(shares(*now, *before)[0]), float(rates(now[1], before[1], seconds)[0]))


def _evidence(measures: Measures, place: int) -> Evidence:
    """Shares of the requests."""
    requests = int(measures["requests"][place])
    counts = [int(measures[name][place]) for name in _EVIDENCE]
    return Evidence(*(round(count / requests, 3) if requests else 0.0 for count in counts))
