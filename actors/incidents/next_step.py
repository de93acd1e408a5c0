"""What to do next about an incident: by what explains it, and a command that looks closer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from actors.explain.causes import Explanation
from actors.incidents.items import Incident
from actors.incidents.message import shared_attribute, values_words
from model.kinds.drop import why_text

_OF_PORT: Final = "look at what listens on"
#: By the attribute of the cause, the most telling first: ``value`` is that, or several as ``a and b``, then with the
#: plural's ``s`` and pronouns; ``whose`` it is.
_STEPS: Final = (
    ("instance", "take {value} out of service, and look at {it}"),
    ("version", "roll back {value} of {whose}, or stop {its} rollout"),
    ("node", "move work off node{s} {value}"),
    ("zone", "move traffic out of zone{s} {value}"),
    ("region", "move traffic out of region{s} {value}"),
    ("route", "look at what {whose} does for {value}"),
    ("port", f"{_OF_PORT} port{{s}} {{value}} of {{whose}}"),
)
_ONE: Final = {"s": "", "it": "it", "its": "its"}
_MANY: Final = {"s": "s", "it": "them", "its": "their"}
#: By the symptom, whoever it is.
_OF_SYMPTOM: Final = {
    "backlog": "raise the accept backlog of {0}, or add instances",
    "datagram_dropped": "raise the receive buffers of those who drop",
    "dns_error": "look at the resolver {0}",
}
#: By why kernels dropped packets: somebody's configuration.
_OF_DROPS: Final = {
    "netfilter": "look for the rule that drops there (nft list ruleset, iptables-save)",
    "policy": "look for the network policy that drops there",
    "reverse_path": "look at rp_filter and at the routes there",
    "no_route": "look at the routes there",
    "mtu": "look at the MTU on the way",
}
#: What ``tailrace explain`` is asked, by symptom.
_EXPLAINED: Final = {
    **dict.fromkeys(("connect_failed", "connect_refused", "connect_timeout", "bad_connects"), ""),
    **dict.fromkeys(
        ("request_failed", "http_5xx", "grpc_error", "bad_requests", "bad_calls"), " --of requests"
    ),
    "drop": " --of drops",
}
#: What shows each query.
_QUERIES: Final = "tailrace run --stage queries --sink console"
#: An explanation of a part of the trouble is no reason to act.
_EXPLAINS: Final = 0.5
#: Whom trouble hits, where that is no workload: what filters call it.
_PLACES: Final = {"machine": "node", "zone": "zone"}


def next_step(incident: Incident, explanation: Explanation) -> str:
    """One sentence; empty: it is over."""
    if incident.state == "resolved":
        return ""
    return "; ".join([*_steps(incident, explanation), *_commands(incident)])


def _steps(incident: Incident, explanation: Explanation) -> Iterator[str]:
    """What to do. A port that a rule closes is no matter of who listens there."""
    dropped = next(
        (step for name, step in _OF_DROPS.items() if incident.dropped.startswith(why_text(name, ""))), ""
    )
    told, forms = _told(explanation)
    of_cause = _of_cause(told, forms, incident)
    if of_cause and not (dropped and of_cause.startswith(_OF_PORT)):
        yield of_cause
    if dropped:
        yield dropped
    if words := _OF_SYMPTOM.get(incident.worst or incident.symptom):
        yield words.format(incident.subject)


def _told(explanation: Explanation) -> tuple[dict[str, str], dict[str, str]]:
    """What explains enough to act: the first cause, or several values of one attribute; and the forms for it."""
    causes = explanation.causes
    if name := shared_attribute(causes):
        enough = sum(each.explains for each in causes) >= _EXPLAINS
        return ({name: values_words(causes, name)} if enough else {}), _MANY if len(causes) > 1 else _ONE
    return (causes[0].where if causes and causes[0].explains >= _EXPLAINS else {}), _ONE


def _of_cause(where: dict[str, str], forms: dict[str, str], incident: Incident) -> str:
    for attribute, words in _STEPS:
        for side in ("server.", "client.", ""):
            if value := where.get(f"{side}{attribute}"):
                whose = where.get(f"{side}workload") or _whose(side, incident)
                return words.format(value=value, whose=whose, **forms)
    caller = where.get("client.workload")
    return f"look at the caller{forms['s']} {caller} first" if caller else ""


def _commands(incident: Incident) -> Iterator[str]:
    """What looks closer at that symptom, since it began."""
    symptom = incident.worst or incident.symptom
    since = f"{datetime.fromtimestamp(incident.since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    what, _, name = incident.subject.partition(" ")
    subject = f"{_PLACES[what]}:{name}" if what in _PLACES and name else incident.subject
    if symptom == "dns_error":
        yield _QUERIES
    elif subject in incident.rules:  # a rule of all traffic together has a name, and no workload
        return
    elif symptom in _EXPLAINED:
        yield f"tailrace explain {subject} --since {since}{_EXPLAINED[symptom]}"
    elif len(incident.edges) == 1:
        client, _, server = incident.edges[0].partition(" > ")
        yield f"tailrace quality {client} {server} --from {since}"
    else:
        yield f"tailrace quality {subject} --from {since}"


def _whose(side: str, incident: Incident) -> str:
    return "its callers" if side == "client." else incident.subject
