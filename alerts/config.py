"""Who is told of incidents, of which, and how often. Filters and rules are loaded where there are some."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from model.alert import MOST_RULES
from model.errors import UsageError

if TYPE_CHECKING:
    from actors.rules.grammar import Rule
    from alerts.routing import Routing

#: Labels that all alerts have.
GROUP_LABELS: Final = ("ns", "workload", "subject", "symptom", "severity")


class AlertTargetConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who is told of incidents.

    :param name: by which commands and the ledger know it; also its kind, if that is not given.
    :param kind: as installed: ``slack``, ``pagerduty``, ….
    :param settings: as ``tailrace plugins KIND`` lists them.
    :param where: a filter of alerts (docs/alerts.md); empty: all that routes give it.
    :param group: labels; incidents with the same values of them are told as one.
    :param limit: messages within ``limit_seconds``; one summary stands for what is beyond. 0: no limit.
    :param after_kill: what becomes of an opening or an end that was on its way when Tailrace was killed, at targets
        that would not know it again: ``again`` tells it, and says so; ``skip`` may lose it.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,60}$")]
    kind: str = ""
    settings: dict[str, Any] = {}
    where: str = ""
    group: tuple[str, ...] = ()
    limit: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 60
    limit_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 600
    after_kill: Literal["again", "skip"] = "again"

    def __post_init__(self) -> None:
        _check_filter(self.where)
        if wrong := next((name for name in self.group if name not in GROUP_LABELS), ""):
            raise ValueError(f"alerts are not grouped by {wrong}: write some of {', '.join(GROUP_LABELS)}")

    def __repr__(self) -> str:
        """Without the settings: which of them are secret the target alone knows."""
        return f"AlertTargetConfig({self.name})"


class AlertRouteConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Alerts that go to some targets alone.

    :param where: a filter of alerts (docs/alerts.md); empty: all.
    :param targets: names; none: nobody is told.
    """

    where: str = ""
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_filter(self.where)


class AlertRuleConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A rule of the user's own: ``alert`` or ``slo``.

    :param alert: a limit, such as ``failed > 5% for 30s where ns:shop``.
    :param slo: an objective, such as ``99.9% of requests ok over 30d where ns:shop``.
    :param severity: of its incidents; of an objective whose budget burns slowly one less. Empty: ``error``, or
        ``critical`` of an objective.
    :param least: bad ones that it takes.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,40}$")]
    alert: str = ""
    slo: str = ""
    severity: Literal["info", "warning", "error", "critical", ""] = ""
    least: Annotated[float, msgspec.Meta(ge=1)] = 5

    def __post_init__(self) -> None:
        if bool(self.alert) == bool(self.slo):
            raise ValueError(f"rule {self.name}: write either alert or slo")
        try:
            self.rule()
        except ValueError as error:
            raise ValueError(f"rule {self.name}: {error}") from None

    def rule(self) -> "Rule":
        """As it is watched."""
        from actors.rules.grammar import alert_rule, slo_rule

        if self.slo:
            return slo_rule(self.name, self.slo, self.severity or "critical", self.least)
        return alert_rule(self.name, self.alert, self.severity or "error", self.least)


class AlertsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Alerts.

    :param targets: who can be told; each has a name of its own.
    :param routes: the first that matches says whom an alert goes to; where none does, it goes to all.
    :param rules: what is trouble beside what the detector finds.
    """

    targets: list[AlertTargetConfig] = []
    routes: list[AlertRouteConfig] = []
    rules: Annotated[list[AlertRuleConfig], msgspec.Meta(max_length=MOST_RULES)] = []

    def __post_init__(self) -> None:
        names = [target.name for target in self.targets]
        if twice := _twice(names):
            raise ValueError(f"two targets of alerts are called {twice}: give one another name, and its kind")
        if twice := _twice([rule.name for rule in self.rules]):
            raise ValueError(f"two rules are called {twice}: give one another name")
        routed = [name for route in self.routes for name in route.targets]
        if unknown := next((name for name in routed if name not in names), ""):
            raise ValueError(
                f"a route goes to {unknown}, and no target is called that: {', '.join(names) or 'none is'}"
            )

    def routing(self) -> "Routing":
        """Who is told of what."""
        from alerts.routing import Route, Routing, Wishes
        from model.alert_filter import AlertFilter

        targets = {
            target.name: Wishes(
                AlertFilter(target.where),
                target.group,
                target.limit,
                target.limit_seconds,
                target.after_kill,
            )
            for target in self.targets
        }
        return Routing(
            targets, [Route(AlertFilter(route.where), frozenset(route.targets)) for route in self.routes]
        )


def _twice(names: list[str]) -> str:
    return next((name for name in names if names.count(name) > 1), "")


def _check_filter(text: str) -> None:
    """:raises ValueError: if it is none."""
    if not text:
        return
    from model.alert_filter import AlertFilter

    try:
        AlertFilter(text)
    except UsageError as error:
        raise ValueError(str(error)) from None
