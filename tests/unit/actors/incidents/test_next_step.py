"""What to do next: by the cause, and never when it is over."""

import shlex

import msgspec
import pytest

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Incident
from actors.incidents.next_step import next_step
from actors.trouble.troubles import SPOKEN
from engine.cli import build_parser
from engine.commands.ask.words import said_by

INCIDENT = Incident("tailrace-1", "shop/checkout", "reset", "critical", since=11_560.0)
SINCE = "1970-01-01T03:12:40Z"
LOOK = f"tailrace quality shop/checkout --from {SINCE}"


def because(where: dict[str, str], explains: float = 0.99) -> Explanation:
    return Explanation([Cause(where, 900.0, 90, 100, 1, explains, 0.001, [])])


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"server.version": "v2"}, "roll back v2 of shop/checkout, or stop its rollout; "),
        ({"server.workload": "shop/pay", "server.version": "v2"}, "roll back v2 of shop/pay, or stop its rollout; "),
        ({"server.version": "v2", "server.instance": "b-7"}, "take b-7 out of service, and look at it; "),
        ({"client.version": "v3"}, "roll back v3 of its callers, or stop its rollout; "),
        ({"server.node": "n7"}, "move work off node n7; "),
        ({"client.zone": "eu-1a"}, "move traffic out of zone eu-1a; "),
        ({"route": "/pay"}, "look at what shop/checkout does for /pay; "),
        ({"server.port": "8080"}, "look at what listens on port 8080 of shop/checkout; "),
        ({"client.workload": "shop/web"}, "look at the caller shop/web first; "),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_cause_says_what_to_do(where: dict[str, str], says: str) -> None:
    assert next_step(INCIDENT, because(where)) == f"{says}{LOOK}"


def test_values_that_explain_much_together_are_all_named() -> None:
    """Three zones of six, two pods of twelve."""
    zones = [cause for zone in "abc" for cause in because({"server.zone": zone}, 0.33).causes]
    assert next_step(INCIDENT, Explanation(zones)) == f"move traffic out of zones a, b and c; {LOOK}"
    pods = [cause for pod in ("p3", "p7") for cause in because({"server.instance": pod}, 0.5).causes]
    assert (
        next_step(INCIDENT, Explanation(pods)) == f"take p3 and p7 out of service, and look at them; {LOOK}"
    )


def test_what_explains_little_is_no_reason_to_act() -> None:
    assert next_step(INCIDENT, because({"server.version": "v2"}, 0.3)) == LOOK
    assert next_step(INCIDENT, Explanation()) == LOOK


def test_a_rule_of_all_traffic_is_no_workload_to_look_at() -> None:
    of_rule = msgspec.structs.replace(INCIDENT, subject="slo", rules=["slo"])
    assert next_step(of_rule, Explanation()) == ""


def test_when_it_is_over_nothing_is_to_be_done() -> None:
    ended = msgspec.structs.replace(INCIDENT, state="resolved")
    assert next_step(ended, because({"server.version": "v2"})) == ""


@pytest.mark.parametrize(
    ("symptom", "says"),
    [
        ("backlog", f"raise the accept backlog of shop/checkout, or add instances; {LOOK}"),
        ("datagram_dropped", f"raise the receive buffers of those who drop; {LOOK}"),
        ("dns_error", "look at the resolver shop/checkout; tailrace run --stage queries --sink console"),
    ],
)
def test_what_helps_against_a_symptom_is_said_where_nothing_separates(symptom: str, says: str) -> None:
    assert next_step(msgspec.structs.replace(INCIDENT, worst=symptom), Explanation()) == says


@pytest.mark.parametrize("symptom", SPOKEN.values())
def test_commands_are_such_that_the_program_takes(symptom: str) -> None:
    """For one edge, for a workload, and for a machine or zone that is ill."""
    parser = build_parser()
    for subject, edges in (
        ("shop/checkout", ["shop/web > shop/checkout:8080"]),
        ("shop/checkout", ["shop/web > shop/checkout:8080", "shop/app > shop/checkout:8080"]),
        ("machine n3", []),
        ("zone eu-1a", []),
    ):
        incident = msgspec.structs.replace(INCIDENT, worst=symptom, subject=subject, edges=edges)
        command = next_step(incident, Explanation()).rpartition("; ")[2]
        program, *words = shlex.split(command)
        assert program == "tailrace"
        options = parser.parse_args(words)
        if options.command in ("quality", "explain"):
            said = said_by("quality" if options.command == "quality" else "where", options)
            place = subject.replace("machine ", "node:").replace("zone ", "zone:")
            edge = (
                ["shop/web>shop/checkout:8080"] if options.command == "quality" and len(edges) == 1 else None
            )
            key = "edge" if edge else "q" if ":" in place else "select"
            assert said[key] == (edge or [place])
            assert said["from"] == [SINCE]


@pytest.mark.parametrize(
    ("dropped", "says"),
    [
        (
            "by netfilter in namespace 1 of n1, chain INPUT (9 packets)",
            "look for the rule that drops there (nft",
        ),
        ("because there is no route on n1 (9 packets)", "look at the routes there"),
        ("because nobody listens on n1 (9 packets)", "look at what listens on port 8080 of shop/checkout"),
    ],
)
def test_a_kernel_that_drops_packets_says_where_to_look(dropped: str, says: str) -> None:
    incident = msgspec.structs.replace(INCIDENT, dropped=dropped)
    assert next_step(incident, because({"server.port": "8080"})).startswith(says)
    both = next_step(incident, because({"server.version": "v2"}))
    assert both.startswith("roll back v2 of shop/checkout")
    assert ("there" in both) == ("there" in says)
