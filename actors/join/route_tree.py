"""What one service's paths are called: a tree of segments, in which places with too many words are folded. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

#: In place of segments that differ from request to request.
ANY: Final = "*"
#: A word keeps its name where a place is folded if it has at least this part of the requests there,
FREQUENT: Final = 1 / 200
#: and at least so many requests: an id that came twice is none.
OFTEN: Final = 5

#: A place that is folded: the words on the way to it, and those that keep their names there.
Folded = tuple[tuple[str, ...], tuple[str, ...]]


class _Place:
    """A place in the tree: the words that follow there.

    :ivar folded: whether words that are not among the children are ``ANY``.
    :ivar seen: requests, while a tree is folded.
    """

    __slots__ = ("children", "folded", "seen")

    def __init__(self) -> None:
        self.children: dict[str, _Place] = {}
        self.folded = False
        self.seen = 0

    def size(self) -> int:
        """Places in and below this one."""
        return 1 + sum(child.size() for child in self.children.values())

    def take_in(self, other: "_Place") -> None:
        """All that was seen at another place."""
        self.seen += other.seen
        self.folded |= other.folded
        for word, child in other.children.items():
            self.children.setdefault(word, _Place()).take_in(child)


class RouteTree:
    """Names of one service's paths.

    :param most: different words at one place; past it all but the frequent ones are one.
    :ivar places: in the tree.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._root = _Place()
        self._due = False
        self.places = 1

    def add(self, path: str) -> None:
        """Takes in a path that is new."""
        place = self._root
        for word in path.split("/")[1:]:
            following = place.children.get(word)
            if following is None:
                known = ANY if place.folded else word
                following = place.children.get(known)
                if following is None:
                    following = place.children[known] = _Place()
                    self.places += 1
                    self._due |= len(place.children) > self._most and not place.folded
            place = following

    def name(self, path: str) -> str:
        """A path with ``ANY`` in place of words that are not known."""
        place: _Place | None = self._root
        words = [""]
        for word in path.split("/")[1:]:
            known = word if place and word in place.children else ANY
            words.append(known)
            place = place.children.get(known) if place else None
        return "/".join(words)

    @property
    def due(self) -> bool:
        """Whether a place has too many words."""
        return self._due

    def fold(self, paths: Iterable[str], requests: Iterable[int]) -> int:
        """Folds places with too many words; returns how many.

        :param paths: all that were added and are still known, with how many requests each had.
        """
        for path, count in zip(paths, requests, strict=True):
            self._count(path, count)
        folded = self._fold(self._root)
        self._clear(self._root)
        self._due = False
        self.places = self._root.size()
        return folded

    def _count(self, path: str, requests: int) -> None:
        place = self._root
        place.seen += requests
        for word in path.split("/")[1:]:
            following = place.children.get(word) or place.children.get(ANY)
            if following is None:
                return
            following.seen += requests
            place = following

    def _fold(self, place: _Place) -> int:
        """Folds this place if it is due, and those below."""
        folded = 0
        if len(place.children) > self._most and not place.folded:
            least = max(OFTEN, FREQUENT * place.seen)
            words = [word for word in place.children if word != ANY]
            rare = [word for word in words if place.children[word].seen < least]
            everything = place.children.setdefault(ANY, _Place())
            for word in rare:
                everything.take_in(place.children.pop(word))
            place.folded, folded = True, 1
        return folded + sum(map(self._fold, place.children.values()))

    def _clear(self, place: _Place) -> None:
        place.seen = 0
        for child in place.children.values():
            self._clear(child)

    def folded(self) -> list[Folded]:
        """What was learnt."""
        return list(_folded(self._root, ()))

    def learn(self, folded: Sequence[Folded]) -> None:
        """Takes in what another tree learnt."""
        for way, words in folded:
            place = self._root
            for word in way:
                place = place.children.setdefault(word, _Place())
            place.folded = True
            for word in (ANY, *words):
                place.children.setdefault(word, _Place())
        self.places = self._root.size()


def _folded(place: _Place, way: tuple[str, ...]) -> Iterable[Folded]:
    if place.folded:
        yield way, tuple(word for word in place.children if word != ANY)
    for word, child in place.children.items():
        yield from _folded(child, (*way, word))
