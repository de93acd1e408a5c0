"""Routes: what paths are called, so that there are few of them. Pure: texts in, texts out.

The kernel has folded what looks like an id. Rules of the configuration go first. Else a path's name is learnt: at a
place where too many different words were seen, all but the frequent ones are ``*``.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from model.kinds.request import OTHER
from model.ledger import Stage

#: A word that has at least this part of the requests at its place keeps its name.
FREQUENT: Final = 1 / 200
ANY: Final = "*"


class _Place:
    """A place in the tree of paths: what followed it."""

    __slots__ = ("children", "full", "seen")

    def __init__(self) -> None:
        self.children: dict[str, _Place] = {}
        self.seen = 0
        self.full = False  # new words are ANY

    def size(self) -> int:
        """Places in and below this one."""
        return 1 + sum(child.size() for child in self.children.values())

    def take_in(self, other: "_Place") -> None:
        """All that was seen at another place."""
        self.seen += other.seen
        self.full |= other.full
        for word, child in other.children.items():
            self.children.setdefault(word, _Place()).take_in(child)


class Routes:
    """Names of paths.

    :param rules: routes such as ``/users/{id}``; ``{…}`` and ``*`` stand for one segment, a last ``*`` for all that
        follow.
    :param limit: of different routes; what is beyond is ``other``.
    :param children: different words at one place.
    :param stage: in which what is beyond is noted.
    """

    def __init__(self, rules: Sequence[str], limit: int, children: int, stage: Stage) -> None:
        self._rules = [(_pattern(rule), rule) for rule in rules]
        self._limit = limit
        self._most = children
        self._stage = stage
        self._root = _Place()
        self._places = 1
        self._names: dict[str, str] = {}
        self._made: set[str] = set()

    def learn(self, paths: Iterable[str], counts: Iterable[int]) -> None:
        """Takes in what was asked for in a second, before it is named.

        :param paths: each once, with how many requests it had.
        """
        for path, count in zip(paths, counts, strict=True):
            if path and self._ruled(path) is None and not self._see(path, count):
                self._stage.note("paths_beyond", 1)

    def name(self, path: str) -> str:
        """The route of a path; empty for none."""
        known = self._names.get(path)
        if known is None:
            known = self._names[path] = self._named(path)
            if len(self._names) > 8 * self._limit:  # mostly of paths that are gone
                self._names = {path: known}
        return known

    def _named(self, path: str) -> str:
        if path in ("", OTHER):
            return path
        route = self._ruled(path) or self._learnt(path)
        if route not in self._made:
            if len(self._made) >= self._limit:
                self._stage.note("routes_beyond", 1)
                return OTHER
            self._made.add(route)
        return route

    def _ruled(self, path: str) -> str | None:
        return next((rule for pattern, rule in self._rules if pattern.fullmatch(path)), None)

    def _learnt(self, path: str) -> str:
        place, words = self._root, []
        for word in path.split("/")[1:]:
            known = word if word in place.children else ANY
            words.append(known)
            place = place.children.get(known) or _Place()
        return "/" + "/".join(words)

    def _see(self, path: str, count: int) -> bool:
        """Whether there was room for all of it."""
        place = self._root
        place.seen += count
        for word in path.split("/")[1:]:
            following = place.children.get(word)
            if following is None:
                if self._places >= 4 * self._limit:
                    return False
                following = self._new_child(place, word)
            following.seen += count
            place = following
        return True

    def _new_child(self, place: _Place, word: str) -> _Place:
        if not place.full and len(place.children) >= self._most:
            self._fold(place)
        if place.full:
            word = ANY
        if word not in place.children:
            place.children[word] = _Place()
            self._places += 1
        return place.children[word]

    def _fold(self, place: _Place) -> None:
        """Only frequent words stay; the others become one."""
        place.full = True
        rare = [
            word
            for word, child in place.children.items()
            if word != ANY and child.seen < FREQUENT * place.seen
        ] or [word for word in place.children if word != ANY][self._most // 2 :]
        folded = place.children.setdefault(ANY, _Place())
        for word in rare:
            folded.take_in(place.children.pop(word))
        self._places = self._root.size()
        self._names.clear()
        self._made.clear()
        self._stage.note("places_folded")


def _pattern(rule: str) -> re.Pattern[str]:
    words = [
        r"[^/]*" if word == ANY or re.fullmatch(r"\{.*\}", word) else re.escape(word)
        for word in rule.split("/")
    ]
    if rule.endswith("/*"):
        words[-1] = ".*"
    return re.compile("/".join(words))
