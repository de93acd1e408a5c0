"""The message of an incident: what, since when, how bad, where it lives and where not, who is hit, what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Change, Incident
from model.alert import SHORT, Alert, cut

#: What is bad of what, by symptom; others say their own name.
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "connect_refused": ("connects", "refused"),
    "connect_failed": ("connects", "failed"),
    "connect_timeout": ("connects", "timed out"),
    "connect_slow": ("connects", "slow"),
    "retransmitted": ("segments", "retransmitted"),
    "datagram_lost": ("datagrams", "lost"),
    "datagram_dropped": ("datagrams", "dropped (receive buffer full)"),
    "slow": ("round trips", "slow"),
    "reset": ("connections", "reset"),
    "http_5xx": ("requests", "failed (5xx)"),
    "request_failed": ("requests", "failed"),
    "request_slow": ("requests", "slow"),
    "grpc_error": ("requests", "failed (gRPC)"),
    "dns_error": ("DNS queries", "failed"),
    "dns_timeout": ("DNS queries", "timed out"),
    "drop": ("packets", "dropped"),
    "backlog": ("connects", "refused by a full accept queue"),
    "bad_connects": ("connects", "bad"),
    "bad_connections": ("connections", "bad"),
    "bad_segments": ("segments", "bad"),
    "bad_requests": ("requests", "bad"),
    "bad_calls": ("calls", "bad"),
}
#: What is said instead of ``failed`` where it is known why.
REASONS: Final[Mapping[str, str]] = {
    "refused": "refused",
    "timed_out": "timed out",
    "unreachable": "failed (unreachable)",
    "reset": "reset",
    "gave_up": "given up without an answer",
}
#: Characters of a name or a value in the short form.
_NAME: Final = 60


@dataclass(frozen=True)
class Facts:
    """What is known beside the incident.

    :param changes: what began just before, in words: ``40 s after the first v2.12a pod``; the likeliest first.
    :param callers: who are hit; 0: nobody counted.
    :param nodes: that reported, ``all_nodes`` of which; 0: nobody counted.
    :param link: to the incident's page.
    :param next_step: a command or a page; empty: none.
    """

    explanation: Explanation = field(default_factory=Explanation)
    changes: Sequence[str] = ()
    callers: int = 0
    nodes: int = 0
    all_nodes: int = 0
    link: str = ""
    next_step: str = ""


def alert_of(change: Change, facts: Facts) -> Alert:
    """What targets are told."""
    incident = change.incident
    return Alert(
        key=incident.key,
        revision=incident.revision,
        event=change.event,
        severity=incident.severity,
        subject=incident.subject,
        symptom=incident.symptom,
        short=short_of(change, facts),
        text="\n".join(_lines(change, facts)),
        since=incident.since,
        at=incident.at,
        where=incident.where,
        rules=incident.rules,
        link=facts.link,
    )


def short_of(change: Change, facts: Facts) -> str:
    """At most ``SHORT`` characters: the first sentence, and where it lives if there is room."""
    first = _headline(change, _NAME)
    if since := change.incident.blind_since:
        return cut(f"{first}; no data since {_clock(since)}", SHORT)
    causes = facts.explanation.causes
    cause = causes_words(causes)
    whole = f"{first}: {_only(causes)} {cut(cause, _NAME)}" if cause else first
    return whole if len(whole) <= SHORT else cut(first, SHORT)


def _lines(change: Change, facts: Facts) -> list[str]:
    incident = change.incident
    lines = [_headline(change)]
    if incident.merged_into:
        lines.append(f"It is a part of {incident.merged_into}.")
    if incident.blind_since:
        lines.append(f"No data since {_clock(incident.blind_since)}: it stays open until there is.")
    lines.append(_lives(facts.explanation.causes) or _unexplained(incident))
    if incident.answered:
        lines.append(f"Answers of the failed: {incident.answered}.")
    if incident.dropped:
        lines.append(f"Packets dropped {incident.dropped}.")
    if facts.changes:
        lines.append(f"Began {'; '.join(facts.changes[:3])}.")
    lines.append(_hit(incident, facts))
    if incident.rules:
        lines.append(f"Rules: {', '.join(incident.rules)}.")
    if incident.acknowledged_by:
        lines.append(f"Acknowledged by {incident.acknowledged_by} at {_clock(incident.acknowledged_at)}.")
    if facts.next_step:
        lines.append(f"Next: {facts.next_step}")
    return [*lines, facts.link] if facts.link else lines


def _headline(change: Change, most: int = 500) -> str:
    """``CRITICAL shop/checkout: 31 % of connects refused (normal 0.1 %) since 03:12:40``."""
    incident = change.incident
    resolved = change.event == "resolve"
    word = "RESOLVED" if resolved else incident.severity.upper()
    back = f", back since {_clock(incident.reopenings[-1])}" if incident.reopenings else ""
    span = (
        f"{_clock(incident.since)} to {_clock(incident.ended)}"
        if resolved
        else f"since {_clock(incident.since)}{back}"
    )
    was = "was " if resolved else ""
    return f"{word} {_subject(incident, most)}: {was}{how_bad(incident)} {span}"


def _subject(incident: Incident, most: int) -> str:
    """Whom it hits first, and how many others."""
    servers = {edge.rpartition(" > ")[2].rpartition(":")[0] for edge in incident.edges}
    others = len(servers - {incident.subject}) if incident.subject in servers else 0
    more = f" and {_count(others, 'other')}" if others else ""
    return cut(incident.subject, most) + more


def how_bad(incident: Incident) -> str:
    """``31 % of connects refused (normal 0.1 %)``."""
    symptom = incident.worst or incident.symptom
    things, what = WORDS.get(symptom, ("attempts", f"bad ({symptom})"))
    what = REASONS.get(incident.reason, what)
    says = incident.says or f"of {things} {what} (normal {_percent(incident.expected)})"
    return f"{_percent(incident.share)} {says}"


def _lives(causes: Sequence[Cause]) -> str:
    """``Only server version v2 (94 % bad, others 0.1 %), explains 99 %; the same: server pod b-7.``, of several
    ``Only server zone a (40 % bad), explains 52 %, and server zone b (41 % bad), explains 48 %; others 0.1 %.``, or
    ``Worst in server zone a (90 % bad), explains 52 %, and everything else (20 % bad), explains 40 %.``
    """
    if not causes:
        return ""
    first = causes[0]
    if not first.where:
        rate = _percent(_rate(first))
        return f"Everywhere ({rate} bad): nothing separates, explains {_percent(first.explains)}."
    others = f"; others {_percent(first.rate_outside)}"
    if len(causes) > 1:
        told = ", and ".join(_one_of_several(cause) for cause in causes)
        return f"{_only(causes).capitalize()} {told}{others if all(cause.where for cause in causes) else ''}."
    return f"Only {where_words(first.where)} ({_percent(_rate(first))} bad{others}){_explains(first)}."


def _only(causes: Sequence[Cause]) -> str:
    """How causes are told: nothing else is ill, or everything else is, too."""
    return "only" if all(cause.where for cause in causes) else "worst in"


def _one_of_several(cause: Cause) -> str:
    return f"{where_words(cause.where) or 'everything else'} ({_percent(_rate(cause))} bad){_explains(cause)}"


def _explains(cause: Cause) -> str:
    names = ", ".join(where_words(name) for name in cause.also_known_as[:3])
    return f", explains {_percent(cause.explains)}{f'; the same: {names}' if names else ''}"


def _rate(cause: Cause) -> float:
    return cause.bad / cause.total if cause.total else 0.0


def _unexplained(incident: Incident) -> str:
    """What was found before, when nobody says now what separates."""
    if incident.where:
        return f"Only {where_words(incident.where)}."
    return "Nothing separates the bad from the healthy."


def _hit(incident: Incident, facts: Facts) -> str:
    things = WORDS.get(incident.worst or incident.symptom, ("attempts", ""))[0]
    callers = f"{_count(facts.callers, 'caller')}, " if facts.callers else ""
    edges = f" on {_count(incident.edge_count, 'edge')}" if incident.edge_count else ""
    words = [f"Hit: {callers}{incident.bad:,.0f} of {incident.total:,.0f} {things}{edges}."]
    if facts.explanation.no_difference:
        words.append(f"Not it: {_names(facts.explanation.no_difference[:8])}.")
    if facts.all_nodes:
        words.append(f"Data: {facts.nodes} of {_count(facts.all_nodes, 'node')}.")
    return " ".join(words)


def where_words(where: Mapping[str, str]) -> str:
    """``server version v2 and server port 80``."""
    return " and ".join(f"{name.replace('.', ' ')} {value}" for name, value in where.items())


def causes_words(causes: Sequence[Cause]) -> str:
    """``server zones a and b``, or one behind the other."""
    causes = [cause for cause in causes if cause.where]
    if name := shared_attribute(causes):
        many = "s" if len(causes) > 1 else ""
        return f"{name.replace('.', ' ')}{many} {values_words(causes, name)}"
    return ", and ".join(where_words(cause.where) for cause in causes)


def shared_attribute(causes: Sequence[Cause]) -> str:
    """The one attribute that each of them names, and nothing else; empty: there is none."""
    names = {tuple(cause.where) for cause in causes}
    return next(iter(names))[0] if len(names) == 1 and len(causes[0].where) == 1 else ""


def values_words(causes: Sequence[Cause], name: str) -> str:
    """``a, b and c``."""
    *values, last = (cause.where[name] for cause in causes)
    return f"{', '.join(values)} and {last}" if values else last


def _names(attributes: Sequence[str]) -> str:
    return ", ".join(name.replace(".", " ") for name in attributes)


def span_words(seconds: float) -> str:
    """``40 s``, ``3 min``."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _percent(share: float) -> str:
    """Two digits that mean something; nothing is rounded to 0 or to 100 that is not."""
    percent = 100 * share
    if percent >= 10:
        return f"{min(round(percent), 99) if share < 1 else 100} %"
    return f"{percent:.1f} %" if percent >= 0.1 else ("0 %" if share <= 0 else "< 0.1 %")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}Z"
