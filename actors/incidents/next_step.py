"""What to do next about an incident: by what explains it, and a command that looks closer."""

from datetime import UTC, datetime
from typing import Final

from actors.explain.causes import Explanation
from actors.incidents.items import Incident

#: By the attribute of the cause, the most telling first; ``{0}`` is its value, ``{1}`` whose it is.
_STEPS: Final = (
    ("instance", "take {0} out of service, and look at it"),
    ("version", "roll back {0} of {1}, or stop its rollout"),
    ("node", "move work off node {0}"),
    ("zone", "move traffic out of zone {0}"),
    ("route", "look at what {1} does for {0}"),
    ("port", "look at what listens on port {0} of {1}"),
)
#: By the symptom, whoever it is.
_OF_SYMPTOM: Final = {
    "backlog": "raise the accept backlog of {0}, or add instances",
    "datagram_dropped": "raise the receive buffers of those who drop",
    "dns_error": "look at the resolver {0}",
}
#: An explanation of a part of the trouble is no reason to act.
_EXPLAINS: Final = 0.5


def next_step(incident: Incident, explanation: Explanation) -> str:
    """One sentence; empty: it is over."""
    if incident.state == "resolved":
        return ""
    at = datetime.fromtimestamp(incident.since, UTC)
    look = f"tailrace explain {incident.subject} --at {at:%Y-%m-%dT%H:%M:%SZ}"
    # a rule of all traffic together has a name, and no workload
    commands = [] if incident.subject in incident.rules else [look]
    if words := _OF_SYMPTOM.get(incident.worst or incident.symptom):
        commands.insert(0, words.format(incident.subject))
    cause = explanation.causes[0] if explanation.causes else None
    if cause is None or cause.explains < _EXPLAINS:
        return "; ".join(commands)
    for attribute, words in _STEPS:
        for side in ("server.", "client.", ""):
            if value := cause.where.get(f"{side}{attribute}"):
                whose = cause.where.get(f"{side}workload") or _whose(side, incident)
                return "; ".join([words.format(value, whose), *commands])
    if caller := cause.where.get("client.workload"):
        return "; ".join([f"look at the caller {caller} first", *commands])
    return "; ".join(commands)


def _whose(side: str, incident: Incident) -> str:
    return "its callers" if side == "client." else incident.subject
