"""Ticks of several engines: each waits until all have told what they counted, or for long enough."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from actors.trouble.counted import Counted

#: Ticks for which one waits for engines that were heard before; after twice as many these are gone.
PATIENCE: Final = 2


class Gathered(NamedTuple):
    """A tick, and what engines counted in it.

    :param missing: whether an engine did not tell, or not all; of the first tick nobody knows who would.
    """

    tick: int
    parts: list[Counted]
    missing: bool


class Gathering:
    """Puts what engines counted in the same tick together.

    :ivar late: messages that came after those of their tick had gone on.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, dict[str, list[Counted]]] = {}  # by tick and engine
        self._heard: dict[str, int] = {}  # the last tick of each engine
        self._done: int | None = None
        self.late = 0

    def add(self, who: str, counted: Counted) -> Iterator[Gathered]:
        """One more; those that are whole by now, or were waited for long enough, go on in the order of time.

        :param who: names the engine.
        """
        tick = counted.tick
        self._heard[who] = max(tick, self._heard.get(who, tick))
        if self._done is not None and tick <= self._done:
            self.late += 1
            return
        self._waiting.setdefault(tick, {}).setdefault(who, []).append(counted)
        newest = max(self._heard.values())
        for each in sorted(self._waiting):
            whole = {name for name, parts in self._waiting[each].items() if _all(parts)}
            missing = self._wanted(newest) - whole
            # an engine may tell a tick in two times: only one that is ahead has told all of it
            awaited = {name for name in missing if self._heard[name] <= each}
            if awaited and newest - each < PATIENCE:
                return
            first, self._done = self._done is None, each
            told = [part for parts in self._waiting.pop(each).values() for part in parts]
            yield Gathered(each, told, bool(missing) or first)

    def _wanted(self, newest: int) -> set[str]:
        """Engines that are not gone."""
        gone = newest - 2 * PATIENCE
        self._heard = {who: last for who, last in self._heard.items() if last >= gone}
        return set(self._heard)


def _all(parts: list[Counted]) -> bool:
    """Whether all parts of an engine's tick are there: one message after the other, or none got lost."""
    return sum(1 / part.parts for part in parts) > 1 - 1e-9
