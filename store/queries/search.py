"""Search: names of all sorts, ranked, also with typing errors, also what is gone since yesterday."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from model.filter.filter import Filter
from model.filter.view import BatchView
from model.filter.words import words_of
from model.kinds.workload import WORKLOAD
from store.queries.filtering import INSTANCE_KEYS, as_batch, having, matching, split
from store.queries.listings import Found, SearchAnswer
from store.queries.parameters import SearchParameters
from store.queries.requested import asked_for
from store.queries.scope import Scope
from store.queries.similar import errors_allowed, errors_within
from store.reading import Edges, Instances, Window

#: What is gone is found for so long.
REMEMBERED_S: Final = 86_400
#: Words that a name is made of are found at their beginnings.
_BREAK: Final = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])")
#: How good a match is.
_EXACT, _PREFIX, _WORD, _WITHIN, _SIMILAR = 1.0, 0.9, 0.8, 0.6, 0.4
_NAMES: Final = {_EXACT: "exact", _PREFIX: "prefix", _WORD: "word", _WITHIN: "within"}
#: What is the more wanted of things that match alike.
_WEIGHT: Final = {
    "workload": 0.05,
    "namespace": 0.04,
    "version": 0.03,
    "node": 0.03,
    "zone": 0.03,
    "region": 0.03,
    "pod": 0.02,
    "container": 0.02,
    "image": 0.01,
    "process": 0.01,
    "address": 0.01,
    "port": 0.01,
    "route": 0.02,
    "host": 0.01,
}
#: Keys of the filter that look at the workload alone, whoever it talks to.
_OWN: Final = frozenset({"ns", "workload", "zone", "version", "kind", *INSTANCE_KEYS})
#: Names that are looked through for typing errors at most; the most connected first.
_SIMILAR_NAMES: Final = 50_000


class _Name(NamedTuple):
    """Something that can be found."""

    what: str
    value: str


@dataclass
class _Named:
    """What has this name."""

    workloads: set[int] = field(default_factory=set)  # places in the table
    first_s: int = 1 << 62
    last_s: int = 0

    def add(self, workload: int, first_s: int, last_s: int) -> None:
        self.workloads.add(workload)
        self.first_s = min(self.first_s, first_s)
        self.last_s = max(self.last_s, last_s)


class _Match(NamedTuple):
    score: float
    matched: str


def search_answer(scope: Scope, asked: SearchParameters) -> SearchAnswer:
    """What matches all words, the best first.

    :raises FilterError: if a filter word means nothing.
    """
    words, filters = _divided(asked.q)
    window = scope.when.window
    instances = scope.store.instances(Window(min(window.from_s, window.to_s - REMEMBERED_S), window.to_s))
    allowed = _allowed(scope, filters, instances)
    names = _names(scope, instances, allowed)
    _add_requests(scope, names, allowed, filters)
    whole = ("workload", "route") if split(filters).requests else ("workload",)
    found = _matches(scope, names, words, whole)
    order = sorted(found, key=lambda name: (-found[name].score, -len(names[name].workloads), name))
    neighbours = _Neighbours(scope)
    return SearchAnswer(
        [_found(scope, name, found[name], names[name], neighbours) for name in order[: asked.limit]],
        len(order),
    )


def _divided(text: str) -> tuple[list[str], str]:
    """Words to look for, and words of the filter."""
    free, filters = [], []
    for part in re.findall(r'(?:[^\s"]|"[^"]*"?)+', text):
        if re.match(r"[-!]?[A-Za-z_][\w.]*(:|=|>|<)", part) and not part.startswith('"'):
            filters.append(part)
        else:
            free.append(part.replace('"', "").lower())
    return [word for word in free if word], " ".join(filters)


def _allowed(scope: Scope, filters: str, instances: Instances) -> np.ndarray:
    """Which workloads match the filter words: by themselves, or by an edge that they have; bool."""
    workloads = scope.groups.workloads
    mask = np.ones(len(workloads), np.bool_)
    if not filters:
        return mask
    own: list[str] = []
    others: list[str] = []
    for word in words_of(filters):
        (own if word.key in _OWN else others).append(word.text[word.begin : word.end])
    plain, about, _ = split(" ".join(own))
    alone = _alone(scope, np.arange(len(workloads)))
    mask &= Filter(plain).of(WORKLOAD)(BatchView(as_batch(alone, workloads)))
    for word in about:
        mask &= np.isin(workloads.ids, having(word, workloads, instances)) != word.excluded
    if others:
        hits = matching(
            scope.now_whole, " ".join(others), workloads, lambda: instances, lambda: scope.all_endpoints
        )
        ends = np.concatenate((scope.now_whole.clients[hits], scope.now_whole.servers[hits]))
        mask &= np.isin(workloads.ids, ends)
    return mask


def _alone(scope: Scope, places: np.ndarray) -> Edges:
    """Each workload as an edge with itself, to ask filters of it."""
    ids = scope.groups.workloads.ids[places]
    empty = scope.now_whole.take(np.zeros(0, np.int64)).measures
    zeros = np.zeros(len(ids), np.int64)
    return Edges(
        scope.now_whole.window,
        zeros,
        ids,
        ids,
        zeros.astype(np.uint16),
        zeros.astype(np.uint8),
        empty.summed(zeros[:0], len(ids)),
    )


def _names(scope: Scope, instances: Instances, allowed: np.ndarray) -> dict[_Name, _Named]:
    """All names of the workloads that may be found."""
    found: dict[_Name, _Named] = {}
    workloads = scope.groups.workloads
    lives = list(zip(workloads.first_s.tolist(), workloads.last_s.tolist(), strict=True))
    for place in np.flatnonzero(allowed).tolist():
        part = workloads.parts[place]
        for what, value in (
            ("workload", part.name),
            ("namespace", part.namespace),
            ("version", part.version),
            ("zone", part.zone),
        ):
            if value:
                found.setdefault(_Name(what, value), _Named()).add(place, *lives[place])
    for row, place in enumerate(workloads.rows(instances.workloads).tolist()):
        if allowed[place]:
            life = int(instances.first_s[row]), int(instances.last_s[row])
            for what, value in instances.parts[row]._asdict().items():
                if value:
                    found.setdefault(_Name(what, value), _Named()).add(place, *life)
    _add_ports(scope, found, allowed)
    return found


def _add_ports(scope: Scope, found: dict[_Name, _Named], allowed: np.ndarray) -> None:
    """Those that are listened on in the window."""
    now = scope.now
    places = scope.groups.workloads.rows(now.servers)
    keys = np.unique(places * (1 << 16) + now.ports)
    for place, port in zip((keys >> 16).tolist(), (keys & 0xFFFF).tolist(), strict=True):
        if allowed[place]:
            found.setdefault(_Name("port", str(port)), _Named()).add(
                place, now.window.from_s, now.window.to_s - 1
            )


def _add_requests(scope: Scope, found: dict[_Name, _Named], allowed: np.ndarray, filters: str) -> None:
    """Routes and hosts that were asked for in the window, of who answered."""
    endpoints = scope.all_endpoints
    if requests := split(filters).requests:
        endpoints = asked_for(endpoints, requests, scope.groups.workloads)
    places = scope.groups.workloads.rows(endpoints.servers)
    first, last = endpoints.window.from_s, endpoints.window.to_s - 1
    for what in ("route", "host"):
        different, same = np.unique(endpoints.parts[what].astype(str), return_inverse=True)
        keys = np.unique(places * (len(different) + 1) + same)
        for place, text in zip(*(each.tolist() for each in np.divmod(keys, len(different) + 1)), strict=True):
            if allowed[place] and different[text]:
                found.setdefault(_Name(what, str(different[text])), _Named()).add(place, first, last)


def _matches(
    scope: Scope, names: dict[_Name, _Named], words: Sequence[str], whole: Sequence[str]
) -> dict[_Name, _Match]:
    """Names that match one word at least themselves, and the other words by their workloads' names.

    :param whole: what is found by words of the filter alone.
    """
    if not words:
        return {name: _Match(0.1 + _WEIGHT[name.what], "filter") for name in names if name.what in whole}
    found = {name: match for name, match in _literal(scope, names, words) if match.score}
    if not found:
        found = {name: match for name, match in _with_errors(names, words) if match.score}
    return found


def _literal(
    scope: Scope, names: dict[_Name, _Named], words: Sequence[str]
) -> Iterator[tuple[_Name, _Match]]:
    keys = [f"{part.namespace}/{part.name}".lower() for part in scope.groups.workloads.parts]
    for name, named in names.items():
        text = name.value.lower()
        scores = [_score(word, text) for word in words]
        best = max(scores)
        if not best:
            if name.what == "workload" and all(
                any(word in keys[place] for place in named.workloads) for word in words
            ):
                yield name, _Match(_WITHIN + _WEIGHT["workload"], "within")  # shop/cart
            continue
        others = [word for word, score in zip(words, scores, strict=True) if not score]
        if all(any(word in keys[place] for place in named.workloads) for word in others):
            yield name, _Match(sum(scores) / len(words) + _WEIGHT[name.what], _NAMES[best])


def _score(word: str, text: str) -> float:
    if word not in text:
        return 0.0
    if word == text:
        return _EXACT
    if text.startswith(word):
        return _PREFIX
    return _WORD if any(part.startswith(word) for part in _BREAK.split(text)) else _WITHIN


def _with_errors(names: dict[_Name, _Named], words: Sequence[str]) -> Iterator[tuple[_Name, _Match]]:
    """Nothing is written so: what is nearly."""
    allowed = [(word, errors_allowed(word)) for word in words]
    if not any(most for _, most in allowed):
        return
    for name in sorted(names, key=lambda name: -len(names[name].workloads))[:_SIMILAR_NAMES]:
        text = name.value.lower()
        errors = [errors_within(word, text, most) for word, most in allowed]
        if all(each is not None for each in errors):
            total = sum(each or 0 for each in errors)
            yield name, _Match(_SIMILAR / (1 + total) + _WEIGHT[name.what] / (1 + len(text) / 20), "similar")


class _Neighbours:
    """How many groups talk with some workloads in the window."""

    def __init__(self, scope: Scope) -> None:
        self._pairs = scope.pairs
        self._groups = scope.groups

    def __call__(self, workloads: set[int]) -> int:
        numbers = np.unique(self._groups.numbers[list(workloads)])
        pairs = self._pairs
        client, server = np.isin(pairs.clients, numbers), np.isin(pairs.servers, numbers)
        others = np.union1d(pairs.servers[client], pairs.clients[server])
        return len(np.setdiff1d(others, numbers))


def _found(scope: Scope, name: _Name, match: _Match, named: _Named, neighbours: _Neighbours) -> Found:
    groups, window = scope.groups, scope.when.window
    keys = {groups.names[number].key for number in groups.numbers[list(named.workloads)].tolist()}
    key = next(iter(keys)) if len(keys) == 1 else ""
    return Found(
        what=name.what,
        value=name.value,
        key=key,
        q="" if name.what == "workload" and key else _query(name),
        matched=match.matched,
        score=round(match.score, 3),
        workloads=len(named.workloads),
        neighbours=neighbours(named.workloads),
        gone=named.last_s < window.from_s,
        first_s=scope.when.second(named.first_s),
        last_s=scope.when.second(min(named.last_s, window.to_s - 1)),
    )


def _query(name: _Name) -> str:
    key = "ns" if name.what == "namespace" else name.what
    value = f'"{name.value}"' if re.search(r"[\s,]", name.value) else name.value
    return f"{key}:{value}"
