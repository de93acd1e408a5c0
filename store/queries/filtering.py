"""The common filter on edges of a window, with words about instances."""

import ipaddress
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from model.batch import Batch
from model.errors import UsageError
from model.filter.filter import Filter
from model.filter.names import SINCE, UNTIL
from model.filter.patterns import text_test
from model.filter.view import BatchView
from model.filter.words import Word, words_of
from model.kinds.workload import OTHER, WORKLOAD
from store.measures import INDEXES, MOST, SUMS
from store.queries.requested import asked_for, is_about_requests
from store.reading import Edges, Endpoints, Instances, Workloads

#: Keys about instances, and the fields that they look at.
INSTANCE_KEYS: Final = {
    "pod": ("pod",),
    "container": ("container",),
    "process": ("process",),
    "image": ("image",),
    "node": ("node",),
    "address": ("address",),
    "region": ("region",),
}
#: Kinds of workloads whose own name is what the key means.
_NAMED_BY: Final = {
    "process": "process",
    "address": "address",
    "container": "container",
    "node": "node",
    "pod": "Pod",
}


class Divided(NamedTuple):
    """The words of a filter.

    :param plain: that rows of workloads answer.
    :param instances: those about instances.
    :param requests: that rows of endpoints alone answer: an edge matches if one of its endpoints matches all of them.
    """

    plain: str
    instances: list[Word]
    requests: str


def matching(
    edges: Edges,
    words: str,
    workloads: Workloads,
    instances: Callable[[], Instances],
    endpoints: Callable[[], Endpoints],
) -> np.ndarray:
    """Which edges match; bool.

    :param instances: asked for if a word is about them; ``endpoints`` of the window likewise.
    :raises FilterError: if a word means nothing.
    """
    if not words.strip():
        return np.ones(len(edges), np.bool_)
    divided = split(words)
    mask = np.asarray(Filter(divided.plain).of(WORKLOAD)(BatchView(as_batch(edges, workloads))), np.bool_)
    if divided.instances:
        mask &= _by_instances(edges, divided.instances, workloads, instances)
    if divided.requests:
        mask &= np.isin(edges.ids, asked_for(endpoints(), divided.requests, workloads).edges)
    return mask


def split(words: str) -> Divided:
    """What each word is about.

    :raises FilterError: if a word means nothing, or says when.
    """
    plain: list[str] = []
    about: list[Word] = []
    requests: list[str] = []
    for word in words_of(words):
        key = word.key.rpartition(".")[2]
        if word.key in (SINCE, UNTIL):
            raise word.error("the window is asked for beside the filter", "use from, to or at")
        if key in INSTANCE_KEYS and word.key in (key, f"client.{key}", f"server.{key}"):
            if word.operator != ":":
                raise word.error("it is no number", "write :")
            about.append(word)
        else:
            text = word.text[word.begin : word.end]
            (requests if is_about_requests(word.key) else plain).append(text)
    return Divided(" ".join(plain), about, " ".join(requests))


def as_batch(edges: Edges, workloads: Workloads) -> Batch:
    """Edges as rows of workloads, for what knows these."""
    columns = WORKLOAD.empty(len(edges))
    for side, ids in (("client", edges.clients), ("server", edges.servers)):
        columns[f"{side}.workload.index"] = (workloads.rows(ids) + 1).astype(np.uint32)
    columns["server.port"] = edges.ports
    columns["network.transport"] = edges.transports
    for name in (*SUMS, *MOST, *INDEXES.values()):
        columns[name] = edges.measures[name]
    tables = {"workloads": [OTHER, *workloads.parts], "histograms": edges.measures.histograms}
    return Batch(WORKLOAD, "", "", 0, edges.window.from_s, columns, tables)


def _by_instances(
    edges: Edges, words: list[Word], workloads: Workloads, instances: Callable[[], Instances]
) -> np.ndarray:
    seen = instances()
    alternatives: dict[str, np.ndarray] = {}
    mask = np.ones(len(edges), np.bool_)
    for word in words:
        hits = _ends(edges, word, having(word, workloads, seen))
        if word.excluded:
            mask &= ~hits
        else:
            alternatives[word.key] = alternatives.get(word.key, False) | hits
    for hits in alternatives.values():
        mask &= hits
    return mask


def _ends(edges: Edges, word: Word, ids: np.ndarray) -> np.ndarray:
    side = word.key.rpartition(".")[0]
    client, server = np.isin(edges.clients, ids), np.isin(edges.servers, ids)
    return client if side == "client" else server if side == "server" else client | server


def having(word: Word, workloads: Workloads, instances: Instances) -> np.ndarray:
    """Ids of workloads with an instance that the word means.

    :raises FilterError: if a value means nothing.
    """
    key = word.key.rpartition(".")[2]
    test = any_of([_test(word, key, value) for value in word.values])
    known: dict[str, bool] = {}
    fields = INSTANCE_KEYS[key]
    rows = [
        place
        for place, part in enumerate(instances.parts)
        if any(_known(known, test, getattr(part, field)) for field in fields)
    ]
    kind = _NAMED_BY.get(key)
    named = [
        place
        for place, part in enumerate(workloads.parts)
        if part.kind == kind and _known(known, test, part.name)
    ]
    return np.union1d(instances.workloads[rows], workloads.ids[named]).astype(np.int64)


def any_of(tests: list[Callable[[str], bool]]) -> Callable[[str], bool]:
    """Whether one of them holds."""
    return tests[0] if len(tests) == 1 else lambda text: any(test(text) for test in tests)


def _known(known: dict[str, bool], test: Callable[[str], bool], text: str) -> bool:
    """Each text is tested once; one that is not known never matches."""
    if text not in known:
        known[text] = bool(text) and test(text)
    return known[text]


def _test(word: Word, key: str, value: str) -> Callable[[str], bool]:
    if key != "address" or "*" in value or not any(character in value for character in "/:."):
        try:
            return text_test(value)
        except ValueError as error:
            raise word.error(str(error)) from None
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise word.error(f"{value} is no address or network", "write 10.0.0.7 or 10.0.0.0/8") from None
    return lambda text: _within(network, text)


def _within(network: ipaddress.IPv4Network | ipaddress.IPv6Network, text: str) -> bool:
    try:
        return ipaddress.ip_address(text) in network
    except ValueError:
        return False


def without(words: str, hidden: list[str]) -> str:
    """The filter that leaves out what these words mean.

    :raises UsageError: if one of them is excluded already.
    """
    if any(word.startswith(("-", "!")) for word in hidden):
        raise UsageError("hide leaves out what its words mean", "write it without the dash")
    return " ".join([words, *(f"-{word}" for word in hidden)])
