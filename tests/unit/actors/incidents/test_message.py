"""The message: it says what is bad, since when, where it lives and where not, in a few lines."""

import msgspec
import pytest

from actors.explain.causes import Cause, Explanation
from actors.incidents.items import Change, Incident
from actors.incidents.message import WORDS, Facts, alert_of
from actors.trouble.troubles import SPOKEN
from model.alert import Event

INCIDENT = Incident(
    "tailrace-1", "shop/checkout", "connect_refused", "critical", since=11_560.0, revision=1, at=11_600.0,
    share=0.31, expected=0.001, bad=1240, total=4000, where={"server.version": "v2.12a"}, edge_count=4,
)  # fmt: skip
EXPLANATION = Explanation(
    [Cause({"server.version": "v2.12a"}, 900.0, 1239, 1318, 1, 0.993, 0.001, [{"server.pod": "b-7"}])],
    ["zone", "node", "port"],
)
FACTS = Facts(EXPLANATION, ["40 s after the first v2.12a pod"], 4, 12, 12, "https://map.example/i/1")


def test_all_that_one_wants_to_know_at_night() -> None:
    alert = alert_of(Change("open", INCIDENT, False), FACTS)
    assert alert.text.splitlines() == [
        "CRITICAL shop/checkout: 31 % of connects refused (normal 0.1 %) since 03:12:40Z",
        "Only server version v2.12a (94 % bad; others 0.1 %), explains 99 %; the same: server pod b-7.",
        "Began 40 s after the first v2.12a pod.",
        "Hit: 4 callers, 1,240 of 4,000 connects on 4 edges. Not it: zone, node, port. Data: 12 of 12 nodes.",
        "https://map.example/i/1",
    ]
    assert alert.short == (
        "CRITICAL shop/checkout: 31 % of connects refused (normal 0.1 %) since 03:12:40Z: only server version v2.12a"
    )


def test_several_causes_are_told_together() -> None:
    zones = [
        Cause({"server.zone": zone}, 900.0, bad, 1000, 1, bad / 1000, 0.001, names)
        for zone, bad, names in (("a", 520, []), ("b", 480, [{"server.node": "n1"}]))
    ]
    alert = alert_of(Change("open", INCIDENT, False), Facts(Explanation(zones)))
    assert alert.text.splitlines()[1] == (
        "Only server zone a (52 % bad), explains 52 %, and server zone b (48 % bad), explains 48 %;"
        " the same: server node n1; others 0.1 %."
    )
    assert alert.short.endswith(": only server zones a and b")
    both = [zones[0], Cause({"server.port": "80"}, 900.0, 480, 1000, 1, 0.48, 0.001, [])]
    alert = alert_of(Change("open", INCIDENT, False), Facts(Explanation(both)))
    assert alert.short.endswith(": only server zone a, and server port 80")
    everything = Cause({}, 90.0, 200, 1000, 1, 0.2, 0.0, [])
    alert = alert_of(Change("open", INCIDENT, False), Facts(Explanation([zones[0], everything])))
    assert alert.text.splitlines()[1] == (
        "Worst in server zone a (52 % bad), explains 52 %, and everything else (20 % bad), explains 20 %."
    )
    assert alert.short.endswith(": worst in server zone a")


def test_the_end_says_how_long_it_was() -> None:
    ended = msgspec.structs.replace(INCIDENT, state="resolved", ended=11_700.0)
    assert alert_of(Change("resolve", ended, False), FACTS).short.startswith(
        "RESOLVED shop/checkout: was 31 % of connects refused (normal 0.1 %) 03:12:40Z to 03:15:00Z"
    )


def test_a_gap_in_the_data_is_said() -> None:
    blind = msgspec.structs.replace(INCIDENT, blind_since=11_620.0)
    text = alert_of(Change("update", blind, False), Facts()).text
    assert "No data since 03:13:40Z: it stays open until there is." in text.splitlines()
    short = alert_of(Change("update", blind, False), FACTS).short
    assert short.endswith("since 03:12:40Z; no data since 03:13:40Z")


def test_why_kernels_dropped_packets_stands_behind_the_cause() -> None:
    why = "by netfilter in namespace 4026532301 of n1, chain INPUT (120 packets)"
    text = alert_of(Change("open", msgspec.structs.replace(INCIDENT, dropped=why), False), FACTS).text
    assert text.splitlines()[2] == f"Packets dropped {why}."


def test_how_requests_that_failed_were_answered_stands_behind_the_cause() -> None:
    answered = msgspec.structs.replace(INCIDENT, worst="request_failed", answered="503 (97 %), none (3 %)")
    text = alert_of(Change("open", answered, False), FACTS).text
    assert text.splitlines()[2] == "Answers of the failed: 503 (97 %), none (3 %)."


@pytest.mark.parametrize("symptom", SPOKEN.values())
@pytest.mark.parametrize("event", ["open", "update", "resolve"])
def test_the_short_form_of_every_symptom_says_what_is_bad(symptom: str, event: Event) -> None:
    """Of names that are as long as Kubernetes allows."""
    names = f"{'n' * 63}/{'w' * 63}"
    incident = msgspec.structs.replace(
        INCIDENT, subject=names, worst=symptom, edge_count=200, ended=11_700.0, reopenings=[11_650.0],
        edges=[f"shop/web > {names}:80", *(f"shop/web > shop/b{number}:80" for number in range(199))],
    )  # fmt: skip
    short = alert_of(Change(event, incident, False), FACTS).short
    assert len(short) <= 200
    assert "31 % of " in short
    assert all(word in short for word in WORDS[symptom][0].split())
    assert "03:12:40Z" in short


def test_the_short_form_is_short_whatever_names_are() -> None:
    long = msgspec.structs.replace(INCIDENT, subject="s" * 900, symptom="y" * 300)
    cause = Cause({"a" * 300: "b" * 300}, 1.0, 1, 1, 0, 1.0, 0.0, [])
    for explanation in (Explanation(), Explanation([cause]), EXPLANATION):
        alert = alert_of(Change("open", long, False), Facts(explanation))
        assert len(alert.short) <= 200
        assert "\n" not in alert.short
