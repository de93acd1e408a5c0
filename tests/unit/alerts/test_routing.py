"""Who is told: filters of alerts, routes, and what a configuration says wrongly."""

from pathlib import Path

import pytest

from alerts.routing import Route, Routing, Wishes
from engine.config import load_config
from model.alert import labels_of
from model.alert_filter import AlertFilter
from model.errors import UsageError

WHERE = {
    "server.workload": "shop/checkout",
    "server.version": "v2",
    "client.zone": "eu-1a",
    "server.port": "80",
}
LABELS = labels_of("shop/checkout", "connect_failed", "error", WHERE)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("severity>=error", True),
        ("severity>error", False),
        ("severity:warning,error", True),
        ("severity<critical ns:shop", True),
        ("ns:shop ns:bank", True),
        ("ns:bank", False),
        ("-ns:shop", False),
        ("workload:checkout", True),
        ("workload:shop/check*", True),
        ("server.workload:checkout -client.workload:*", True),
        ("client.version:v2", False),
        ("version:v2 zone:eu-1? port:80", True),
        ("subject:shop/* symptom:connect_*", True),
        ("node:n1", False),
        ("-node:n1", True),
    ],
)
def test_a_filter_is_asked_of_labels(text: str, matches: bool) -> None:
    assert AlertFilter(text).matches(LABELS) == matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "severity>=bad",
            "bad is no severity at »severity>=bad«: write one of info, warning, error, critical",
        ),
        ("severty:error", "alerts have no 'severty' at »severty:error«: did you mean severity?"),
        ("failed>0", "alerts have no 'failed'"),
        ("ns>3", "ns is no number at »ns>3«: write : in place of it"),
        ("client.severity:error", "alerts have no 'client.severity'"),
        ("ns:[", "is no pattern"),
    ],
)
def test_a_wrong_word_is_marked(text: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        AlertFilter(text)
    assert says in str(raised.value)


def test_the_first_route_that_matches_counts() -> None:
    """Where none does, all targets are asked; what a target wants itself holds in any case."""
    targets = {"chat": Wishes(), "pager": Wishes(AlertFilter("severity>=error")), "mail": Wishes()}
    routes = [
        Route(AlertFilter("ns:bank"), frozenset({"mail", "pager"})),
        Route(AlertFilter("ns:lab"), frozenset()),
    ]
    routing = Routing(targets, routes)
    said = [
        ("bank/ledger", "error", ["pager", "mail"]),
        ("bank/ledger", "warning", ["mail"]),
        ("lab/x", "critical", []),
        ("shop/cart", "critical", ["chat", "pager", "mail"]),
    ]
    for subject, severity, wanted in said:
        assert routing.wanted_by(labels_of(subject, "reset", severity, {})) == wanted


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ("targets: [{name: slack, where: 'ns=shop and'}]", "no key and operator at ns=shop »and«"),
        (
            "targets: [{name: slack, group: [zone]}]",
            "alerts are not grouped by zone: write some of ns, workload",
        ),
        ("targets: [{name: slack, limit: -1}]", "$.alerts.targets[0].limit"),
        (
            "routes: [{where: 'ns:shop', targets: [pager]}]",
            "a route goes to pager, and no target is called that",
        ),
        ("routes: [{where: 'severity>bad'}]", "bad is no severity"),
        ("rules: [{name: a b, alert: failed > 5%}]", "$.alerts.rules[0].name"),
        ("rules: [{name: a}]", "rule a: write either alert or slo"),
        (
            "rules: [{name: a, alert: failed 5%}]",
            "rule a: 'failed 5%' is no rule: write it as failed > 5% for",
        ),
        ("rules: [{name: a, slo: 100% of requests ok over 30d}]", "rule a: 100% leaves no budget"),
        ("rules: [{name: a, alert: failed > 5%}, {name: a, alert: rtx > 5%}]", "two rules are called a"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(alerts: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "tailrace.yaml").write_text(f"alerts:\n  {alerts}\n")
    with pytest.raises(UsageError) as raised:
        load_config(tmp_path / "tailrace.yaml", {})
    assert says in str(raised.value)
    assert "$.alerts" in str(raised.value)


def test_rules_that_nobody_watches_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tailrace.yaml").write_text(
        "trouble: {enabled: off}\nalerts: {rules: [{name: a, alert: failed > 5%}]}"
    )
    with pytest.raises(UsageError, match="are not watched"):
        load_config(tmp_path / "tailrace.yaml", {})
    load_config(tmp_path / "tailrace.yaml", {"TAILRACE_TROUBLE_ENABLED": "on"})
