"""Who is told of an alert: the first route that matches names targets, and each target says what it wants of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model.alert_filter import AlertFilter


@dataclass(frozen=True)
class Wishes:
    """What one target wants.

    :param where: of which alerts; empty: all.
    :param group: labels; incidents with the same values of them are told as one. None: each by itself.
    :param limit: messages within ``limit_seconds``; past it one summary stands for those that wait. 0: no limit.
    :param after_kill: what becomes of an opening or an end that may have come when Tailrace was killed: ``again`` or
        ``skip``.
    """

    where: AlertFilter = field(default_factory=lambda: AlertFilter(""))
    group: tuple[str, ...] = ()
    limit: int = 0
    limit_seconds: float = 600.0
    after_kill: str = "again"


@dataclass(frozen=True)
class Route:
    """Alerts that match go to these targets and to no others."""

    where: AlertFilter
    targets: frozenset[str]


class Routing:
    """Of all alerts.

    :param targets: by name.
    :param routes: the first that matches counts; where none does, every target is asked.
    """

    def __init__(self, targets: Mapping[str, Wishes], routes: Sequence[Route] = ()) -> None:
        self.targets = targets
        self._routes = routes

    def wanted_by(self, labels: Mapping[str, str]) -> list[str]:
        """Names of targets."""
        route = next((each for each in self._routes if each.where.matches(labels)), None)
        return [
            name
            for name, wishes in self.targets.items()
            if (route is None or name in route.targets) and wishes.where.matches(labels)
        ]
