"""Sentences of rules: what they mean, and what is said of those that mean nothing."""

import re

import pytest

from actors.rules.grammar import BURNS, alert_rule, slo_rule


@pytest.mark.parametrize(
    ("text", "things", "symptom", "limit", "span", "by"),
    [
        ("failed > 5%", "connects", "connect_failed", 0.05, 30, "server"),
        ("failed > 5% for 2m where ns:shop", "connects", "connect_failed", 0.05, 120, "server"),
        ("failed of requests > 0.5% by edge", "requests", "request_failed", 0.005, 30, "edge"),
        ("failed of calls > 1%", "calls", "grpc_error", 0.01, 30, "server"),
        ("reset > 10 % for 1h by client", "connections", "reset", 0.1, 3600, "client"),
        ("rtx>2%", "segments", "retransmitted", 0.02, 30, "server"),
        ("slower:20ms of round_trips > 5%", "round_trips", "slow", 0.05, 30, "server"),
        ("status:5xx route:/pay > 5% for 30s by all", "requests", "bad_requests", 0.05, 30, "all"),
        ("bytes>1MB of connects > 5%", "connects", "bad_connects", 0.05, 30, "server"),
        ("connections.failed.refused of connects > 1%", "connects", "bad_connects", 0.01, 30, "server"),
    ],
)
def test_a_limit(text: str, things: str, symptom: str, limit: float, span: float, by: str) -> None:
    rule = alert_rule("r", text, "error", 5)
    said = (rule.ratio.things, rule.ratio.symptom, rule.limit, rule.span, rule.by)
    assert said == (things, symptom, limit, span, by)


def test_an_objective_burns_fast_and_slow() -> None:
    """At the fast rate a fiftieth of the budget of 30 days is gone in an hour, at the slow one a twentieth in six."""
    rule = slo_rule("r", "99.9% of requests ok over 30d where ns:shop", "critical", 5)
    assert [rule.burn_rate(burn) for burn in BURNS] == [14.4, 6.0]
    assert [rule.severity_of(burn) for burn in BURNS] == ["critical", "error"]
    assert rule.limit == 0.001
    assert slo_rule("r", "99% of requests faster than 300ms over 28d", "info", 1).ratio.text == "slower:300ms"
    assert slo_rule("r", "99% of requests without status:5xx over 28d", "info", 1).ratio.text == "status:5xx"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("failed 5%", "is no rule: write it as failed > 5% for 30s where ns:shop"),
        ("failed of apples > 5%", "apples cannot be counted: write one of connects, connections"),
        ("failed > 500%", "500% is no share"),
        ("failed > 5% for 3", "3 is no time"),
        ("failed > 5% for 3s", "for 3s is out of bounds: write 10s to 24h"),
        ("failed > 5% by pod", "by pod means nothing: write one of server, client, edge, all"),
        ("failed > 5% where nss:shop", "workloads have no 'nss' at »nss:shop«: did you mean ns?"),
        ("failed > 5% where since:10m", "leave out since and until"),
        ("stat:5xx > 5%", "endpoints have no 'stat' at »stat:5xx«: did you mean status?"),
        ("slower:3 > 5%", "3 is no time"),
        ("slower:3ms of segments > 5%", "nobody knows how long segments take"),
        ("failed of round_trips > 5%", "write slower:20ms"),
    ],
)
def test_what_means_nothing_is_said(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        alert_rule("r", text, "error", 5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("99.9% requests ok", "is no objective: write it as 99.9% of requests ok over 30d where ns:shop"),
        ("100% of requests ok over 30d", "100% leaves no budget"),
        ("99% of requests ok over 1d", "over 1d is out of bounds: write 7d to 90d"),
        ("5% of requests ok over 30d", "nothing can spend it too fast"),
    ],
)
def test_what_is_no_objective_is_said(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        slo_rule("r", text, "error", 5)
