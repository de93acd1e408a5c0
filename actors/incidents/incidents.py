"""The life of incidents: pending, open, updated, resolved, and open again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from actors.incidents.grouping import Explained, grouped, same_traffic
from actors.incidents.items import MOST_EDGES, Change, Incident, Silence, Tick, Trouble
from model.alert import MOST_RULES, SEVERITIES, Event
from model.errors import UsageError

#: Each reopening within an hour doubles the time that an incident has to be healthy for, so many times at most.
_FLAP_WINDOW_S: Final = 3600.0
_MOST_DOUBLINGS: Final = 4
#: Seconds between two ticks that count as healthy at most: a pause between ticks is no health.
_LONGEST_STEP_S: Final = 10.0
#: The share of bad ones, or the number of edges, is told again when it has changed by this factor.
_TOLD_FACTOR: Final = 2.0
#: What an incident says of itself.
_TOLD: Final = (
    "severity",
    "where",
    "share",
    "expected",
    "says",
    "worst",
    "reason",
    "dropped",
    "answered",
    "edge_count",
)


@dataclass(frozen=True)
class Times:
    """In seconds.

    :param hold: trouble lasts so long before an incident opens.
    :param resolve: health lasts so long before it is resolved.
    :param reopen: after its end the same cause opens the same incident again.
    :param update: between two updates that make nothing worse, at least.
    :param blind: without data, before that is said.
    """

    hold: float = 20.0
    resolve: float = 120.0
    reopen: float = 600.0
    update: float = 60.0
    blind: float = 15.0


class Incidents:
    """All that there are.

    :param kept: those of before a restart, as changes gave them; ``silences`` likewise.
    :param most: incidents at once; new trouble past it is counted, and waits.
    :ivar counts: what happened: opened, reopened, updated, resolved, merged, dropped (before it opened), refused.
    """

    def __init__(
        self,
        times: Times = Times(),
        kept: Iterable[Incident] = (),
        silences: Iterable[Silence] = (),
        most: int = 1000,
    ) -> None:
        self._times = times
        self._most = most
        self._all = {incident.key: incident for incident in kept}
        self._silences = {silence.id: silence for silence in silences}
        self._before: float | None = None
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._all.values())

    def __getitem__(self, key: str) -> Incident:
        """:raises UsageError: if there is none of this key."""
        if key not in self._all:
            raise UsageError(f"there is no incident {key}", "its page is kept for ten minutes after its end")
        return self._all[key]

    @property
    def silences(self) -> list[Silence]:
        """Those that hold now or will."""
        return list(self._silences.values())

    def tick(self, tick: Tick) -> list[Change]:
        """What one look at everything changes."""
        step = min(max(tick.at - self._before, 0.0), _LONGEST_STEP_S) if self._before is not None else 0.0
        self._before = tick.at
        self._silences = {id: each for id, each in self._silences.items() if not each.over(tick.at)}
        changes: list[Change] = []
        seen: set[str] = set()
        for group in grouped(tick.troubles):
            incident, merged = self._incident_of(group, tick.at)
            changes += merged
            if incident is not None:
                changes += self._bad(incident, group, tick.at)
                seen.add(incident.key)
        for incident in [each for each in self._all.values() if each.key not in seen]:
            changes += self._quiet(incident, tick, step)
        return changes + list(self._unmuted(tick.at))

    def acknowledge(self, key: str, who: str, at: float) -> Change:
        """Somebody looks at it.

        :raises UsageError: if there is no such incident.
        """
        incident = self[key]
        incident.acknowledged_by, incident.acknowledged_at = who, at
        return self._change(incident, "resolve" if incident.state == "resolved" else "update", at)

    def silence(self, silence: Silence) -> None:
        """From now on."""
        self._silences[silence.id] = silence

    def lift(self, id: str) -> None:
        """End a silence.

        :raises UsageError: if there is none of this name.
        """
        if self._silences.pop(id, None) is None:
            raise UsageError(f"there is no silence {id}", "it may be over")

    def _incident_of(self, group: Sequence[Trouble], at: float) -> tuple[Incident | None, list[Change]]:
        """That of these troubles, a new one if need be, and what became of others that turned out to be the same."""
        keys = {trouble.key for trouble in group}
        edges = {edge for trouble in group for edge in trouble.edges}
        same = [each for each in self._all.values() if _is_same(each, group, keys, edges)]
        if not same:
            return self._new(group, at), []
        same.sort(key=lambda each: (each.state != "open", each.since, each.key))
        return same[0], [change for other in same[1:] for change in self._merge(other, same[0], at)]

    def _new(self, group: Sequence[Trouble], at: float) -> Incident | None:
        if len(self._all) >= self._most:
            self.counts["refused"] += 1
            return None
        first = min(group, key=lambda trouble: (trouble.since, trouble.key))
        name = f"{first.key}\0{first.symptom}\0{first.since:.3f}\0{at:.3f}"
        key = f"tailrace-{sha256(name.encode()).hexdigest()[:20]}"
        incident = Incident(key, first.subject, first.symptom, first.severity, first.since, at=at)
        self._all[key] = incident
        return incident

    def _merge(self, other: Incident, into: Incident, at: float) -> Iterator[Change]:
        del self._all[other.key]
        into.since = min(into.since, other.since) if other.state != "resolved" else into.since
        _note(into, other.symptoms, other.troubles, other.edges)
        if other.state == "open":
            self.counts["merged"] += 1
            other.merged_into, other.state, other.ended = into.key, "resolved", at
            yield self._change(other, "resolve", at)

    def _bad(self, incident: Incident, group: Sequence[Trouble], at: float) -> Iterator[Change]:
        before = deepcopy(incident)
        _take(incident, group, at)
        if incident.state == "pending" and at - incident.at >= self._times.hold:
            self.counts["opened"] += 1
            yield self._open(incident, at)
        elif incident.state == "resolved":
            incident.returned = incident.returned or at
            if at - incident.returned >= self._times.hold:
                incident.reopenings.append(at)
                incident.acknowledged_by, incident.acknowledged_at = "", 0.0  # of a trouble that had ended
                self.counts["reopened"] += 1
                yield self._open(incident, at)
        elif incident.state == "open":
            yield from self._update(before, incident, at)

    def _open(self, incident: Incident, at: float) -> Change:
        incident.state, incident.ended, incident.returned = "open", 0.0, 0.0
        return self._change(incident, "open", at)

    def _update(self, before: Incident, incident: Incident, at: float) -> Iterator[Change]:
        """An update for what makes it worse, or breaks a rule, at once; for what is only different once in a while.

        What was not told yet stays as it was told, so that the next look compares with that.
        """
        severer = SEVERITIES.index(incident.severity) > SEVERITIES.index(before.severity)
        worse = severer or incident.rules != before.rules
        if worse or (_differs(before, incident) and at - incident.at >= self._times.update):
            self.counts["updated"] += 1
            yield self._change(incident, "update", at)
            return
        for name in _TOLD:
            setattr(incident, name, getattr(before, name))

    def _quiet(self, incident: Incident, tick: Tick, step: float) -> Iterator[Change]:
        """Nothing bad was found; that is health only if something was heard."""
        if tick.blind or not tick.unknown.isdisjoint(incident.troubles):
            yield from self._blind(incident, tick.at)
            return
        incident.blind_since, incident.blind_told, incident.returned = 0.0, False, 0.0
        incident.healthy_s += step
        if incident.state == "pending":
            self.counts["dropped"] += 1
            del self._all[incident.key]
        elif incident.state == "open" and incident.healthy_s >= self._healthy_for(incident, tick.at):
            self.counts["resolved"] += 1
            incident.state, incident.ended = "resolved", tick.at
            yield self._change(incident, "resolve", tick.at)
        elif incident.state == "resolved" and tick.at - incident.ended > self._times.reopen:
            del self._all[incident.key]

    def _blind(self, incident: Incident, at: float) -> Iterator[Change]:
        incident.blind_since = incident.blind_since or at
        long = at - incident.blind_since >= self._times.blind
        if incident.state == "open" and long and not incident.blind_told:
            incident.blind_told = True
            yield self._change(incident, "update", at)

    def _healthy_for(self, incident: Incident, at: float) -> float:
        """Seconds; twice as many for each time that it came back within the hour."""
        incident.reopenings = [each for each in incident.reopenings if at - each < _FLAP_WINDOW_S]
        return self._times.resolve * 2.0 ** min(len(incident.reopenings), _MOST_DOUBLINGS)

    def _unmuted(self, at: float) -> Iterator[Change]:
        """Open ones whose silence is over are told now."""
        for incident in self._all.values():
            if incident.state == "open" and incident.muted_by and not self._silence_of(incident, at):
                yield self._change(incident, "update" if incident.told else "open", at)

    def _silence_of(self, incident: Incident, at: float) -> str:
        return next((id for id, each in self._silences.items() if each.holds(incident, at)), "")

    def _change(self, incident: Incident, event: Event, at: float) -> Change:
        """The end of what was told is told, whatever is silent: a pager would ring for ever."""
        incident.muted_by = self._silence_of(incident, at)
        ends = event == "resolve"
        silent = not incident.told if ends else bool(incident.muted_by)
        incident.told = not ends and (incident.told or not silent)
        incident.revision += 1
        incident.at = at
        return Change(event, deepcopy(incident), silent)


def _is_same(incident: Incident, group: Sequence[Trouble], keys: set[str], edges: set[str]) -> bool:
    explained = Explained(incident.where, incident.symptoms, incident.edges, incident.everywhere)
    began = incident.since, min(trouble.since for trouble in group)
    return (
        not keys.isdisjoint(incident.troubles)
        or any(explained.same(Explained.of(trouble)) for trouble in group)
        or same_traffic(incident.edges, edges, began)
    )


def _differs(before: Incident, now: Incident) -> bool:
    """Whether a reader would want to know."""
    pairs = ((before.share, now.share), (before.edge_count, now.edge_count))
    far = any(max(pair) > _TOLD_FACTOR * min(pair) for pair in pairs)
    why = bool(before.dropped) != bool(now.dropped)
    return before.where != now.where or before.severity != now.severity or far or why


def _take(incident: Incident, group: Sequence[Trouble], at: float) -> None:
    """What the worst of these troubles says, and whom all of them hit."""
    worst = max(
        group, key=lambda trouble: (SEVERITIES.index(trouble.severity), trouble.bad - trouble.expected)
    )
    incident.severity, incident.share, incident.expected = worst.severity, worst.share, worst.expected
    same = {trouble.key: trouble for trouble in group if trouble.symptom == worst.symptom}.values()
    incident.bad, incident.total = sum(each.bad for each in same), sum(each.total for each in same)
    incident.says = worst.says
    for name in ("dropped", "answered"):
        said = next((text for each in (worst, *group) if (text := getattr(each, name))), "")
        setattr(incident, name, said or getattr(incident, name))
    rules = dict.fromkeys(trouble.rule for trouble in group if trouble.rule)
    incident.rules = list(dict.fromkeys((*incident.rules, *rules)))[:MOST_RULES]
    incident.worst, incident.reason = worst.symptom, worst.reason
    explained = worst.where or next((trouble.where for trouble in group if trouble.where), {})
    incident.where = dict(explained) or incident.where
    incident.everywhere = incident.everywhere or any(trouble.everywhere for trouble in group)
    incident.seen, incident.healthy_s = at, 0.0
    incident.blind_since, incident.blind_told = 0.0, False
    edges = [edge for trouble in group for edge in sorted(trouble.edges)]
    _note(incident, [each.symptom for each in group], [each.key for each in group], edges)
    incident.edge_count = max(incident.edge_count, len(incident.edges), len(set(edges)))


def _note(incident: Incident, symptoms: Iterable[str], troubles: Iterable[str], edges: Iterable[str]) -> None:
    """Add to what is known by name, the first ones stay."""
    incident.symptoms = list(dict.fromkeys((*incident.symptoms, *symptoms)))[:MOST_EDGES]
    incident.troubles = list(dict.fromkeys((*incident.troubles, *troubles)))[:MOST_EDGES]
    incident.edges = list(dict.fromkeys((*incident.edges, *edges)))[:MOST_EDGES]
