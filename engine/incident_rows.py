"""Incidents, silences and events as they are answered over HTTP."""

from collections.abc import Iterable
from typing import Final

from actors.incidents.history import History
from actors.incidents.items import EdgeEvent, Incident, Silence
from actors.incidents.message import how_bad
from model.alert import SEVERITIES
from web.incident_answers import (
    Acknowledged,
    Entry,
    EventRow,
    IncidentAnswer,
    IncidentCause,
    IncidentRow,
    SilenceRow,
)

_EVENT_WORDS: Final = {
    "new": "{client} began to call {server}",
    "vanished": "{client} fell silent towards {server}",
    "returned": "{client} calls {server} again",
    "more": "far more than usual from {client} to {server}",
    "less": "far less than usual from {client} to {server}",
}


def rows_of(incidents: Iterable[Incident]) -> list[IncidentRow]:
    """Open ones first, the worst of them first; then the latest first. Pending ones are none yet."""

    def place(each: Incident) -> tuple[int, float, str]:
        is_open = each.state == "open"
        return -1 - SEVERITIES.index(each.severity) if is_open else 0, -each.since, each.key

    return list(map(row_of, sorted((each for each in incidents if each.state != "pending"), key=place)))


def row_of(incident: Incident) -> IncidentRow:
    """One line."""
    by = incident.acknowledged_by
    return IncidentRow(
        id=incident.key,
        state="open" if incident.state == "open" else "resolved",
        severity=incident.severity,
        subject=incident.subject,
        symptom=incident.symptom,
        summary=how_bad(incident),
        since_s=int(incident.since),
        ended_s=int(incident.ended) or None,
        updated_s=int(incident.at),
        share=incident.share,
        expected=incident.expected,
        bad=int(incident.bad),
        total=int(incident.total),
        where=incident.where,
        edges=incident.edge_count,
        acknowledged=Acknowledged(by, int(incident.acknowledged_at)) if by else None,
        silenced_by=incident.muted_by if incident.state == "open" else "",
        no_data_since_s=int(incident.blind_since) or None,
        merged_into=incident.merged_into,
        labels=incident.labels,
    )


def answer_of(incident: Incident, history: History) -> IncidentAnswer:
    """All that is known."""
    return IncidentAnswer(
        incident=row_of(incident),
        text=history.text,
        symptoms=incident.symptoms,
        causes=[
            IncidentCause(
                each.where,
                each.explains,
                each.score,
                int(each.bad),
                int(each.total),
                each.bad / each.total if each.total else 0.0,
                each.rate_outside,
                each.also_known_as,
            )
            for each in history.causes
        ],
        no_difference=history.no_difference,
        just_before=history.just_before,
        edges=[edge.replace(" > ", ">", 1) for edge in incident.edges],
        timeline=[
            Entry(int(each.at), each.what, each.text, each.who, each.muted_by) for each in history.entries
        ],
        left_out=history.left_out,
    )


def silence_row(silence: Silence, now: float) -> SilenceRow:
    """One of those that hold or will."""
    return SilenceRow(
        id=silence.id,
        where=silence.where,
        from_s=int(silence.begins),
        until_s=int(silence.until),
        every_s=int(silence.every_s),
        ends_s=int(silence.ends) or None,
        reason=silence.reason,
        who=silence.who,
        at_s=int(silence.at),
        active=silence.active(now),
    )


def event_row(event: EdgeEvent) -> EventRow:
    """In words."""
    words = _EVENT_WORDS.get(event.what, event.what)
    text = words.format(client=event.client, server=f"{event.server}:{event.port}")
    return EventRow(int(event.at), event.what, event.edge, event.client, event.server, text)
