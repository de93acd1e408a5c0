"""Requests of a window, as the filter sees them, and summed up between nodes of the map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model.batch import Batch
from model.filter.filter import Filter
from model.filter.targets import targets
from model.filter.view import BatchView
from model.filter.words import words_of
from model.kinds.endpoint import ENDPOINT
from model.kinds.request import HttpMethod, Via
from model.kinds.workload import OTHER, WORKLOAD
from store.measures import REQUEST_MEASURES, REQUEST_SUMS, Measures
from store.queries.answers import Quantiles
from store.queries.groups import Groups
from store.reading import Endpoints, Workloads

_CLIENT, _SERVER = REQUEST_MEASURES
#: Texts of endpoints, and the columns and tables that rows have them in.
_TEXTS: Final = {"route": ("route.index", "routes"), "host": ("host.index", "hosts")}
_NUMBERS: Final = {
    "status": "http.response.status_code",
    "grpc_status": "rpc.grpc.status_code",
}
_BYTES: Final = {"protocol": "network.protocol.version", "rpc": "rpc.system"}


def is_about_requests(key: str) -> bool:
    """Whether a key of the filter means something of requests alone."""
    return not targets(WORKLOAD, key) and bool(targets(ENDPOINT, key))


def asked_for(endpoints: Endpoints, words: str, workloads: Workloads) -> Endpoints:
    """Those that the words mean.

    :raises FilterError: if a word means nothing.
    """
    condition = Filter(words).of(ENDPOINT)
    mask = np.asarray(condition(BatchView(as_batch(endpoints, workloads))), np.bool_)
    return endpoints if mask.all() else endpoints.take(np.flatnonzero(mask))


def counted_once(endpoints: Endpoints, words: str = "") -> Endpoints:
    """Without those that a proxy passed on: their requests are in those to the proxy, and in those that it made.

    :param words: of the filter; where they want a proxy, its are meant, and stay.
    """
    if endpoints.folded or any(
        word.key.partition(".")[0] == "via" and not word.excluded for word in words_of(words)
    ):
        return endpoints
    mask = np.asarray(endpoints.parts["via"] == "", np.bool_)
    return endpoints if mask.all() else endpoints.take(np.flatnonzero(mask))


def as_batch(endpoints: Endpoints, workloads: Workloads) -> Batch:
    """Endpoints as rows, for what knows these."""
    columns = ENDPOINT.empty(len(endpoints))
    tables: dict[str, Any] = {}
    for side, ids in (("client", endpoints.clients), ("server", endpoints.servers)):
        columns[f"{side}.workload.index"] = (workloads.rows(ids) + 1).astype(np.uint32)
    columns["server.port"], columns["network.transport"] = endpoints.ports, endpoints.transports
    parts = endpoints.parts
    for name, (index, table) in _TEXTS.items():
        tables[table], columns[index] = _texts(parts[name])
    for name, column in _NUMBERS.items():
        columns[column] = parts[name]
    for name, column in _BYTES.items():
        texts = np.char.encode(parts[name].astype(str), "utf-8")
        columns[column] = texts.astype(ENDPOINT.types[column])
    numbers = {method.name: method.value for method in HttpMethod}
    methods, of_rows = _texts(parts["method"])
    columns["http.request.method"] = np.array([numbers.get(each, 0) for each in methods], np.uint8)[of_rows]
    tables["vias"], columns["via.index"] = _vias(parts["via"], parts["cluster"])
    for name in (*REQUEST_SUMS, *(f"{measure}.index" for measure in REQUEST_MEASURES)):
        columns[name] = endpoints.measures[name]
    tables |= {"workloads": [OTHER, *workloads.parts], "histograms": endpoints.measures.histograms}
    return Batch(ENDPOINT, "", "", 0, endpoints.window.from_s, columns, tables)


def _texts(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The different texts, an empty one first, and the place of each value among them."""
    different, same = np.unique(np.append("", values.astype(str)), return_inverse=True)
    return different.tolist(), same[1:].astype(np.uint32)


def _vias(names: np.ndarray, clusters: np.ndarray) -> tuple[list[Via], np.ndarray]:
    (texts, name), (others, cluster) = _texts(names), _texts(clusters)
    keys = name.astype(np.int64) * len(others) + cluster
    different, same = np.unique(np.append(0, keys), return_inverse=True)
    vias = [Via(texts[key // len(others)], others[key % len(others)]) for key in different.tolist()]
    return vias, same[1:].astype(np.uint32)


@dataclass(frozen=True)
class Kinds:
    """Endpoints of one or two windows, summed up where some of what they are is the same.

    :param codes: of each kind: numbers of client group, server group, port, transport, then of the parts; shape
        (kinds, parts + 4), int64; what was not asked for is 0.
    :param texts: of the parts, by their numbers.
    :param now: sums; ``before`` likewise, None without another window.
    """

    codes: np.ndarray
    texts: Sequence[np.ndarray]
    now: Measures
    before: Measures | None

    def __len__(self) -> int:
        return len(self.codes)


def kinds_of(
    windows: Sequence[Endpoints], groups: Groups, ends: Sequence[str], parts: Sequence[str]
) -> Kinds:
    """Sums up endpoints.

    :param windows: that which is asked for, and that which it is compared with, if any.
    :param ends: which of client, server and port tell kinds apart.
    :param parts: which of what requests were of do (``store.measures.ENDPOINT_PARTS``).
    """
    of_ends = {
        "client": [groups.of(each.clients) for each in windows],
        "server": [groups.of(each.servers) for each in windows],
        "port": [each.ports.astype(np.int64) for each in windows],
        "transport": [each.transports.astype(np.int64) for each in windows],
    }
    wanted = {*ends, *(["transport"] if "port" in ends else [])}
    count = sum(map(len, windows))
    columns = [
        np.concatenate(values) if name in wanted else np.zeros(count, np.int64)
        for name, values in of_ends.items()
    ]
    texts = []
    for part in parts:
        values = np.concatenate([each.parts[part] for each in windows])
        different, same = np.unique(
            values if values.dtype != object else values.astype(str), return_inverse=True
        )
        texts.append(different)
        columns.append(same)
    codes, groups_of = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    groups_of = groups_of.reshape(-1)
    first = len(windows[0])
    now = windows[0].measures.summed(groups_of[:first], len(codes))
    before = windows[1].measures.summed(groups_of[first:], len(codes)) if len(windows) > 1 else None
    return Kinds(codes, texts, now, before)


def durations(measures: Measures, side: str, place: int) -> Quantiles | None:
    """How long requests took at the client's end or the server's; None if nothing was measured there."""
    measure = _CLIENT if side == "client" else _SERVER
    table, index = measures.histograms, int(measures[f"{measure}.index"][place])
    if not index:
        return None
    one = table.take(np.array([0, index]))
    return Quantiles(*(int(one.quantiles(share)[1]) for share in (0.5, 0.99)))


def took(measures: Measures) -> list[Quantiles | None]:
    """Of each row how long requests took, as its clients saw it, else its servers; None if nothing was measured."""
    columns = [quantiles(measures, share).astype(np.int64).tolist() for share in (0.5, 0.99)]
    return [Quantiles(p50, p99) if p50 else None for p50, p99 in zip(*columns, strict=True)]


def quantiles(measures: Measures, share: float) -> np.ndarray:
    """Of each row, as its clients saw it, else its servers; nanoseconds, 0: no value."""
    client, server = (measures.quantiles(measure, share) for measure in (_CLIENT, _SERVER))
    found: np.ndarray = np.where(measures[f"{_CLIENT}.index"] != 0, client, server)
    return found
