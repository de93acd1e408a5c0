"""What to do next: by the cause, and never when it is over."""

import msgspec
import pytest

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Incident
from actors.incidents.next_step import next_step

INCIDENT = Incident("tailrace-1", "shop/checkout", "reset", "critical", since=11_560.0)
LOOK = "tailrace explain shop/checkout --at 1970-01-01T03:12:40Z"


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
        ("backlog", "raise the accept backlog of shop/checkout, or add instances"),
        ("datagram_dropped", "raise the receive buffers of those who drop"),
        ("dns_error", "look at the resolver shop/checkout"),
    ],
)
def test_what_helps_against_a_symptom_is_said_where_nothing_separates(symptom: str, says: str) -> None:
    assert next_step(msgspec.structs.replace(INCIDENT, worst=symptom), Explanation()) == f"{says}; {LOOK}"
