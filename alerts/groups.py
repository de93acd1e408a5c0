"""Incidents that a target wants to be told of as one: those with the same values of some labels.

Keys in the journal: ``group/TARGET/KEY`` what is open of a group. A group ends with the last of its incidents; what
comes after that is another group.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from alerts.journal import Journal
from model.alert import SEVERITIES, SHORT, Alert, Event, Severity, cut

#: What keys of groups begin with.
GROUP: Final = "tailrace-group-"
#: Incidents that a message names; others are counted.
_NAMED: Final = 20


class Member(msgspec.Struct, frozen=True):
    """An incident that is open."""

    severity: Severity
    short: str
    text: str
    link: str


class Group(msgspec.Struct):
    """What is kept of one.

    :param labels: those that all of its incidents have.
    :param since: Unix seconds at which the first trouble began.
    """

    key: str
    labels: dict[str, str]
    since: float
    revision: int = 0
    members: dict[str, Member] = {}


class Groups:
    """Of all targets.

    :param wanted: labels by target; targets without some are told of each incident by itself.
    """

    def __init__(self, journal: Journal, wanted: Mapping[str, Sequence[str]]) -> None:
        self._journal = journal
        self._wanted = {target: names for target, names in wanted.items() if names}

    def holds(self, target: str, key: str) -> bool:
        """Whether an incident is a part of one."""
        return any(key in group["members"] for _, group in self._journal.under(f"group/{target}/"))

    def rows_for(self, alert: Alert, target: str, rows: dict[str, Any]) -> Alert | None:
        """What the target is told in place of the alert; None: nothing, as its group knows nothing of it.

        :param rows: that go into the journal with it; the group's is added.
        """
        if target not in self._wanted:
            return alert
        group = self._of(alert, target, rows)
        first = not group.revision
        if alert.event == "resolve":
            if alert.key not in group.members:
                return None
            del group.members[alert.key]
        else:
            group.members[alert.key] = Member(alert.severity, alert.short, alert.text, alert.link)
        group.revision += 1
        rows[f"group/{target}/{group.key}"] = group if group.members else None
        event: Event = "open" if first else "update" if group.members else "resolve"
        return _told(group, event, alert)

    def _of(self, alert: Alert, target: str, rows: Mapping[str, Any]) -> Group:
        """That which it is a member of, else that of its labels, else a new one."""
        prefix = f"group/{target}/"
        kept = {name: msgspec.convert(value, Group) for name, value in self._journal.under(prefix)}
        kept |= {name: value for name, value in rows.items() if name.startswith(prefix)}
        groups = [group for group in kept.values() if group is not None]
        labels = {name: label_of(alert, name) for name in self._wanted[target]}
        found = next((each for each in groups if alert.key in each.members), None)
        found = found or next((each for each in groups if each.labels == labels), None)
        name = f"{target}\0{alert.key}\0{alert.revision}"
        return found or Group(GROUP + sha256(name.encode()).hexdigest()[:20], labels, alert.since)


def label_of(alert: Alert, name: str) -> str:
    """The value of a label; ``ns`` and ``workload`` are those of the subject."""
    namespace, slash, workload = alert.subject.rpartition("/")
    return {"ns": namespace if slash else "", "workload": workload, **alert.labels}.get(name, "")


def _told(group: Group, event: Event, last: Alert) -> Alert:
    members = list(group.members.values())
    subject = ", ".join(f"{name} {value or '-'}" for name, value in group.labels.items())
    worst = max(members, key=lambda each: SEVERITIES.index(each.severity), default=None)
    severity = worst.severity if worst else last.severity
    if len(members) == 1:
        short, text = members[0].short, members[0].text
    elif worst:
        short = cut(f"{severity.upper()} {len(members):,} incidents of {subject}: {worst.short}", SHORT)
        named = [each.short for each in members[:_NAMED]]
        more = [f"and {len(members) - _NAMED:,} more"] if len(members) > _NAMED else []
        text = "\n".join([f"{severity.upper()} {len(members):,} incidents of {subject}", *named, *more])
    else:
        short = cut(f"RESOLVED all incidents of {subject}; the last: {last.short}", SHORT)
        text = last.text
    link = members[0].link if len(members) == 1 else ""
    where, symptom = (last.where, last.symptom) if len(members) == 1 else ({}, "group")
    return Alert(
        key=group.key,
        revision=group.revision,
        event=event,
        severity=severity,
        subject=subject,
        symptom=symptom,
        short=short,
        text=text,
        since=group.since,
        at=last.at,
        where=where,
        link=link,
    )
