"""What a question looks at: the edges of its windows that match, between groups of workloads."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from model.errors import UsageError
from model.filter.patterns import text_test
from store.measures import MOST, SUMS
from store.queries.answers import Period
from store.queries.errors import NotFoundError
from store.queries.filtering import matching, split, without
from store.queries.folded import FoldedStore
from store.queries.groups import Groups, grouped, workload_key
from store.queries.pairs import RANKING, Pairs
from store.queries.parameters import Group
from store.queries.requested import asked_for
from store.queries.similar import close_names
from store.queries.when import When, step_of
from store.reading import Drops, Edges, Endpoints, Gap, Instances, Store, Window

#: Names that an error proposes at most.
_PROPOSED = 3
#: Pairs that are kept: who looks around asks of the same windows; 20 MB for 100,000 edges.
_KEPT = 2


@dataclass
class Scope:
    """Reads a store for one question; each thing once.

    :param words: of the filter.
    :param folded: the store, where proxies are folded.
    """

    store: Store
    when: When
    group: Group = "workload"
    words: str = ""
    folded: FoldedStore | None = None

    @cached_property
    def groups(self) -> Groups:
        """All groups that the store remembers."""
        return grouped(self.store.workloads(), self.group, lambda: self.instances)

    @cached_property
    def instances(self) -> Instances:
        """Those of both windows."""
        windows = [self.when.window, *([self.when.against] if self.when.against else [])]
        whole = Window(min(each.from_s for each in windows), max(each.to_s for each in windows))
        return self.store.instances(whole)

    @property
    def has_read_instances(self) -> bool:
        """Whether anything so far rests on them."""
        return "instances" in self.__dict__

    @cached_property
    def now(self) -> Edges:
        """The edges of the window that match; without a filter only with the sums that rank them."""
        return self._matching(self.when.window)

    @cached_property
    def now_whole(self) -> Edges:
        """All edges of the window with all sums."""
        return self.store.edges(self.when.window, histograms=False)

    @cached_property
    def all_endpoints(self) -> Endpoints:
        """All endpoints of the window, without histograms."""
        return self.store.endpoints(self.when.window, histograms=False)

    def endpoints(self, window: Window, edges: np.ndarray | None, histograms: bool = True) -> Endpoints:
        """Those of some edges (None: of all) that match the filter."""
        found = self.store.endpoints(window, edges, histograms)
        requests = split(self.words).requests
        return asked_for(found, requests, self.groups.workloads) if requests else found

    @cached_property
    def before(self) -> Edges | None:
        """Those of the window that it is compared with."""
        return self._matching(self.when.against) if self.when.against else None

    @cached_property
    def pairs(self) -> Pairs:
        """The edges of both windows between groups."""
        windows = [(self.now, _Detailed(self.store, self.when.window))]
        if self.before is not None and self.when.against is not None:
            windows.append((self.before, _Detailed(self.store, self.when.against)))
        return _paired(self.groups, *windows)

    @cached_property
    def gaps(self) -> list[Gap]:
        """Of the window, and of that which it is compared with; also what lies before the store begins."""
        windows = [self.when.window, *([self.when.against] if self.when.against else [])]
        oldest = self.store.bounds().oldest_s
        before = [
            Gap("", window.from_s, min(oldest, window.to_s), "not_stored")
            for window in windows
            if window.from_s < oldest
        ]
        return [*before, *(gap for window in windows for gap in self.store.gaps(window))]

    def nodes_of(self, group: int) -> set[str]:
        """The machines that instances of a group ran on."""
        ids = self.groups.workloads.ids[self.groups.members(group)]
        rows = np.flatnonzero(np.isin(self.instances.workloads, ids))
        return {self.instances.parts[row].node for row in rows.tolist()}

    def without_proxies(self) -> "Scope":
        """The same where proxies are folded."""
        folded = self.folded or FoldedStore(self.store)
        return Scope(folded, self.when, self.group, self.words, folded)

    @property
    def period(self) -> Period:
        """The window of the answer, widened as the store widened it where edges were read."""
        window = self.now.window if "now" in self.__dict__ else self.when.window
        return self.when.period(window, step_of(self.store, self.when.window))

    @property
    def period_before(self) -> Period | None:
        """The window that it is compared with."""
        if self.when.against is None:
            return None
        window = self.before.window if self.before is not None else self.when.against
        return self.when.period(window, step_of(self.store, self.when.against))

    def hidden(self, words: list[str]) -> None:
        """Leave out what these words of the filter mean."""
        self.words = without(self.words, words)

    def selected(self, texts: list[str]) -> list[int]:
        """Numbers of the groups that are named, each once.

        :raises NotFoundError: if one names none.
        """
        found: dict[int, None] = {}
        for text in texts:
            numbers = self._named(text)
            if not numbers:
                raise self._nothing(text)
            found.update(dict.fromkeys(numbers))
        return list(found)

    def edges_named(self, texts: list[str]) -> np.ndarray:
        """Rows of ``pairs`` that are named by ids or by keys.

        :raises UsageError: if one is no edge.
        :raises NotFoundError: if a workload of one is not known.
        """
        mask = np.zeros(len(self.pairs), np.bool_)
        for text in texts:
            mask |= self._edge(text)
        return np.flatnonzero(mask)

    def _edge(self, text: str) -> np.ndarray:
        client, arrow, rest = text.partition(">")
        server, colon, port = rest.rpartition(":")
        if not colon:  # on any port
            server, port = rest, ""
        port, _, transport = port.partition("/")
        if not arrow or not client or not server or (port and not port.isdecimal()):
            raise UsageError(f"{text} is no edge", "write shop/cart>shop/db:5432, or an id of the map")
        pairs = self.pairs
        mask = np.isin(pairs.clients, self.selected([client])) & np.isin(
            pairs.servers, self.selected([server])
        )
        if port:
            mask &= (pairs.ports == int(port)) & (pairs.transports == (17 if transport == "udp" else 6))
        return np.asarray(mask, np.bool_)

    def _named(self, text: str) -> list[int]:
        groups = self.groups
        if text.isdecimal() and (numbers := np.flatnonzero(groups.ids == int(text))).size:
            return [int(number) for number in numbers]
        by_key = [number for number, name in enumerate(groups.names) if name.key == text]
        if by_key:
            return by_key
        try:
            test = text_test(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        rows = [
            place
            for place, part in enumerate(groups.workloads.parts)
            if part.name and (test(part.name) or test(workload_key(part)))
        ]
        return [int(number) for number in np.unique(groups.numbers[rows])] if rows else []

    def _nothing(self, text: str) -> NotFoundError:
        names = {workload_key(part) for part in self.groups.workloads.parts} | {
            name.key for name in self.groups.names
        }
        close = close_names(text, names, _PROPOSED)
        remedy = f"did you mean {' or '.join(close)}?" if close else "look for it with `tailrace search`"
        return NotFoundError(f"there is no workload {text}", remedy)

    def _matching(self, window: Window) -> Edges:
        columns = (*SUMS, *MOST) if self.words else RANKING
        edges = self.store.edges(window, histograms=False, columns=columns)
        if not self.words:
            return edges
        mask = matching(
            edges,
            self.words,
            self.groups.workloads,
            lambda: self.instances,
            lambda: self.store.endpoints(window, histograms=False),
        )
        return edges if mask.all() else edges.take(np.flatnonzero(mask))


@dataclass(frozen=True)
class _Detailed:
    """Reads edges of a window with their histograms."""

    store: Store
    window: Window

    def __call__(self, ids: np.ndarray | None) -> Edges:
        return self.store.edges(self.window, ids)

    def endpoints(self, ids: np.ndarray | None) -> Endpoints:
        return self.store.endpoints(self.window, ids)

    def drops(self, ids: np.ndarray | None) -> Drops:
        return self.store.drops(self.window, ids)


@lru_cache(maxsize=_KEPT)
def _paired(groups: Groups, *windows: tuple[Edges, _Detailed]) -> Pairs:
    """The pairs of these very edges and groups, with what was found out of them."""
    return Pairs.of(windows, groups)
