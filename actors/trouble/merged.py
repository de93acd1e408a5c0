"""Looks of several engines as one: each sees the connections that are joined in its partitions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from actors.explain.causes import Explanation
from actors.incidents.items import Tick, Trouble
from actors.trouble.items import Look
from model.alert import SEVERITIES

#: Ticks for which a look waits for engines that were heard before; after twice as many these are gone.
_PATIENCE: Final = 2


class Merged:
    """Puts looks of the same time together.

    :param tick_s: seconds of a tick.
    :ivar late: looks that came after those of their time had gone on.
    """

    def __init__(self, tick_s: int) -> None:
        self._tick_s = tick_s
        self._waiting: dict[float, dict[str, Look]] = {}  # by time and engine
        self._heard: dict[str, float] = {}  # the last time of each engine
        self._done = float("-inf")
        self.late = 0

    def add(self, who: str, look: Look) -> Iterator[Look]:
        """One more; those that are whole by now, or were waited for long enough, go on in the order of time.

        :param who: names the engine.
        """
        at = look.tick.at
        self._heard[who] = max(at, self._heard.get(who, at))
        if at <= self._done:
            self.late += 1
            return
        at_once = self._waiting.setdefault(at, {})
        at_once[who] = _one([at_once[who], look]) if who in at_once else look
        newest = max(self._heard.values())
        for each in sorted(self._waiting):
            missing = self._wanted(newest) - self._waiting[each].keys()
            missing = {name for name in missing if self._heard[name] <= each}
            if missing and newest - each < _PATIENCE * self._tick_s:
                return
            self._done = each
            whole = _one(list(self._waiting.pop(each).values()))
            yield replace(whole, tick=replace(whole.tick, blind=True)) if missing else whole

    def _wanted(self, newest: float) -> set[str]:
        """Engines that are not gone."""
        gone = newest - 2 * _PATIENCE * self._tick_s
        self._heard = {who: last for who, last in self._heard.items() if last >= gone}
        return set(self._heard)


def _one(looks: Sequence[Look]) -> Look:
    by_key: dict[str, list[Trouble]] = {}
    explained: dict[str, list[Explanation]] = {}
    for look in looks:
        for trouble in look.tick.troubles:
            by_key.setdefault(trouble.key, []).append(trouble)
            explained.setdefault(trouble.key, []).append(look.explanations.get(trouble.key, Explanation()))
    troubles = tuple(map(_sum, by_key.values()))
    unknown = frozenset(key for look in looks for key in look.tick.unknown) - by_key.keys()
    blind = any(look.tick.blind for look in looks)
    told = {trouble.key: _of(trouble, by_key, explained) for trouble in troubles}
    return Look(
        Tick(looks[0].tick.at, troubles, blind, unknown),
        {key: explanation for key, explanation in told.items() if explanation.causes},
        max(look.nodes for look in looks),
        tuple(dict.fromkeys(event for look in looks for event in look.events)),
    )


def _of(
    trouble: Trouble,
    by_key: Mapping[str, Sequence[Trouble]],
    explained: Mapping[str, Sequence[Explanation]],
) -> Explanation:
    """That of the engine which saw most of it, and explained it so."""
    pairs = zip(by_key[trouble.key], explained[trouble.key], strict=True)
    fits = [(one.bad, told) for one, told in pairs if told.causes and one.where == trouble.where]
    return max(fits, key=lambda pair: pair[0])[1] if fits else Explanation()


def _sum(parts: Sequence[Trouble]) -> Trouble:
    """The same trouble, as much of it as all have seen."""
    most = max(parts, key=lambda part: (bool(part.where), part.bad))
    total = sum(part.total for part in parts)
    share = sum(part.share * part.total for part in parts) / total if total else most.share
    return replace(
        most,
        since=min(part.since for part in parts),
        share=share,
        bad=sum(part.bad for part in parts),
        total=total,
        edges=frozenset().union(*(part.edges for part in parts)),
        severity=max((part.severity for part in parts), key=SEVERITIES.index),
    )
