"""Routes: what requests' paths are called, so that there are few of them. Pure: texts and columns in, texts out.

The kernel has folded what looks like an id. Rules of the configuration go first. Else a path's name is learnt, for
each service on its own: where too many words were seen at one place of a path, all but the frequent ones are ``*``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from actors.join.route_tree import ANY, Folded, RouteTree
from model.kinds.request import OTHER
from model.ledger import Stage

#: An answer that says that there is no such path: it teaches none.
NOT_FOUND: Final = 404

#: What was learnt, by the names of services.
Learnt = Mapping[str, Sequence[Folded]]


class Service(NamedTuple):
    """Whose paths they are.

    :param name: of the workload; empty for all that have no name of their own.
    :param verbatim: whether paths are routes as they are: methods of gRPC, which are in its program.
    """

    name: str = ""
    verbatim: bool = False


_Key = tuple[Service, str]


def _nowhere(_: Learnt) -> None:
    """Keeps nothing."""


@dataclass(frozen=True)
class RouteLimits:
    """How many there are at most.

    :param routes: in all; what is beyond is ``other``.
    :param of_service: of one service, likewise.
    :param children: different words at one place of a path; where there are more they are one ``*``.
    """

    routes: int = 4096
    of_service: int = 512
    children: int = 50

    @property
    def paths(self) -> int:
        """Paths that are remembered."""
        return 8 * self.routes

    @property
    def places(self) -> int:
        """Places in the trees of all services."""
        return 8 * self.routes


@dataclass
class _Known:
    """What is known of one service's paths.

    :ivar paths: ids of those that are remembered.
    :ivar made: its routes that are kept apart.
    """

    tree: RouteTree
    paths: list[int] = field(default_factory=list)
    made: set[str] = field(default_factory=set)


class Routes:
    """Names of paths.

    :param rules: routes such as ``/users/{id}``; ``{…}`` and ``*`` stand for one segment, a last ``*`` for all that
        follow.
    :param stage: in which what is beyond the limits is noted.
    :param learnt: by another one, before.
    :param keep: gets all that was learnt each time that there is more.
    """

    def __init__(
        self,
        rules: Sequence[str],
        limits: RouteLimits,
        stage: Stage,
        learnt: Learnt | None = None,
        keep: Callable[[Learnt], None] = _nowhere,
    ) -> None:
        self._rules = [(_pattern(rule), rule) for rule in rules]
        self._limits = limits
        self._stage = stage
        self._keep = keep
        self._services: dict[Service, _Known] = {}
        self._ids: dict[_Key, int] = {}
        self._keys: list[_Key] = []  # by id, as those below
        self._names: list[str] = []  # empty: not named yet
        self._counts = np.zeros(limits.paths, np.int64)  # requests, so far
        self._asked = np.zeros(limits.paths, np.int64)  # in which second, counted from the start
        self._second = 0
        self._made = 0  # routes of all services
        for name, folded in (learnt or {}).items():
            self._known(Service(name)).tree.learn(folded)
        self._places = sum(known.tree.places for known in self._services.values())

    def names(
        self, services: Sequence[Service], paths: Sequence[str], requests: np.ndarray, found: np.ndarray
    ) -> list[str]:
        """The routes of some paths, each of a service; empty for none.

        :param requests: how many each had; shape (n,), as ``found``.
        :param found: of these with another answer than ``NOT_FOUND``.
        """
        held = {service: self._held(service) for service in set(services)}
        keys = list(zip(map(held.__getitem__, services), paths, strict=True))
        ids = np.array([-1 if id_ is None else id_ for id_ in map(self._ids.get, keys)], np.int64)
        self._second += 1
        np.add.at(self._counts, ids[ids >= 0], requests[ids >= 0])
        self._asked[ids[ids >= 0]] = self._second
        new = np.flatnonzero(ids < 0).tolist()
        for place in new:
            if found[place]:
                self._learn(keys[place], int(requests[place]))
        self._fold(
            [known for known in map(self._services.get, set(held.values())) if known and known.tree.due]
        )
        return list(map(self._name, keys))

    def _held(self, service: Service) -> Service:
        """Under which name a service's paths are known: past the limit all others are one."""
        if service in self._services or len(self._services) < self._limits.routes:
            return service
        return service._replace(name="")

    def _known(self, service: Service) -> _Known:
        known = self._services.get(service)
        if known is None:
            known = self._services[service] = _Known(RouteTree(self._limits.children))
        return known

    def _learn(self, key: _Key, requests: int) -> None:
        """Takes a new path in, if there is room."""
        service, path = key
        if path[:1] != "/" or key in self._ids:
            return
        known = self._known(service)
        if self._places + path.count("/") > self._limits.places:
            self._stage.note("paths_beyond")
            return
        if len(self._ids) >= self._limits.paths:
            self._forget()
        if not service.verbatim and self._ruled(path) is None:
            before = known.tree.places
            known.tree.add(path)
            self._places += known.tree.places - before
        id_ = self._ids[key] = len(self._names)
        self._keys.append(key)
        self._names.append("")
        self._counts[id_], self._asked[id_] = requests, self._second
        known.paths.append(id_)

    def _forget(self) -> None:
        """The half of all paths that nobody asked for for longest; what they taught stays."""
        kept = np.sort(np.argsort(self._asked, kind="stable")[len(self._keys) // 2 :])
        self._keys = [self._keys[id_] for id_ in kept.tolist()]
        self._names = [self._names[id_] for id_ in kept.tolist()]
        self._ids = {key: id_ for id_, key in enumerate(self._keys)}
        for column in (self._counts, self._asked):
            column[: len(kept)] = column[kept]
        self._stage.note("paths_forgotten", len(self._asked) - len(kept))
        for known in self._services.values():
            known.paths = []
        for id_, (service, _) in enumerate(self._keys):
            self._services[service].paths.append(id_)

    def _fold(self, due: Sequence[_Known]) -> None:
        """Folds places where words have become too many; paths of these services are named anew."""
        for known in due:
            ids = known.paths
            before = known.tree.places
            folded = known.tree.fold([self._keys[id_][1] for id_ in ids], self._counts[ids].tolist())
            self._places += known.tree.places - before
            self._stage.note("places_folded", folded)
            for id_ in ids:
                self._names[id_] = ""
            self._made -= len(known.made)
            known.made.clear()
        if due:
            trees = {service.name: known.tree.folded() for service, known in self._services.items()}
            self._keep({name: folded for name, folded in trees.items() if folded})

    def _name(self, key: _Key) -> str:
        id_ = self._ids.get(key)
        if id_ is None:
            return self._named(key)
        if not self._names[id_]:
            self._names[id_] = self._named(key)
        return self._names[id_]

    def _named(self, key: _Key) -> str:
        service, path = key
        if path in ("", OTHER):
            return path
        known = self._known(service)
        route = path if service.verbatim else self._ruled(path) or known.tree.name(path)
        if route not in known.made:
            if self._made >= self._limits.routes or len(known.made) >= self._limits.of_service:
                self._stage.note("routes_beyond")
                return OTHER
            known.made.add(route)
            self._made += 1
        return route

    def _ruled(self, path: str) -> str | None:
        return next((rule for pattern, rule in self._rules if pattern.fullmatch(path)), None)


def _pattern(rule: str) -> re.Pattern[str]:
    words = [
        r"[^/]*" if word == ANY or re.fullmatch(r"\{.*\}", word) else re.escape(word)
        for word in rule.split("/")
    ]
    if rule.endswith("/*"):
        words[-1] = ".*"
    return re.compile("/".join(words))
