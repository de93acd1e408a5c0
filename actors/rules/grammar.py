"""The sentences of rules: ``failed > 5% for 30s where ns:shop``, ``99.9% of requests ok over 30d where …``."""

import re
from dataclasses import dataclass, field
from typing import Final

from actors.rules.ratio import Ratio, ratio_of
from model.alert import SEVERITIES, Severity
from model.filter.quantities import duration_ns

_ENDING: Final = r"(?:\s+by\s+(?P<by>\w+))?(?:\s+where\s+(?P<where>.+))?"
_ALERT: Final = re.compile(
    r"(?P<bad>\S.*?)(?:\s+of\s+(?P<things>\w+))?\s*>\s*(?P<share>\d+(?:\.\d+)?)\s*%(?:\s+for\s+(?P<span>\S+))?"
    + _ENDING
)
_SLO: Final = re.compile(
    r"(?P<share>\d+(?:\.\d+)?)\s*%\s+of\s+(?P<things>\w+)\s+"
    r"(?:(?P<ok>ok)|without\s+(?P<bad>\S.*?)|faster\s+than\s+(?P<faster>\S+))\s+over\s+(?P<span>\S+)"
    + _ENDING
)
#: Whose shares a rule looks at, each by itself.
BY: Final = ("server", "client", "edge", "all")
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class Burn:
    """A budget that is spent too fast, in a long window and still in a short one.

    :param budget: the part of it that is gone in the long window at this speed.
    :param long: in minutes; ``short`` likewise.
    :param milder: steps from the rule's severity down.
    """

    budget: float
    long: int
    short: int
    milder: int


#: The fast one first: a fiftieth of the budget within an hour, a twentieth within six.
BURNS: Final = (Burn(0.02, 60, 5, 0), Burn(0.05, 360, 30, 1))


@dataclass(frozen=True)
class Rule:
    """One rule.

    :param limit: the share of bad ones that is too much; of an SLO the share that is allowed.
    :param span: seconds for which it is so before it counts; of an SLO those that the budget is for.
    :param by: one of ``BY``.
    :param least: bad ones that it takes.
    """

    name: str
    ratio: Ratio
    limit: float
    span: float
    by: str
    severity: Severity
    least: float
    slo: bool
    text: str = field(default="")

    def burn_rate(self, burn: Burn) -> float:
        """So many times the share that the objective allows."""
        return burn.budget * self.span / (60 * burn.long)

    def severity_of(self, burn: Burn) -> Severity:
        """Of a budget that is spent that fast."""
        return SEVERITIES[max(SEVERITIES.index(self.severity) - burn.milder, 0)]  # type: ignore[return-value]


def alert_rule(name: str, text: str, severity: Severity, least: float) -> Rule:
    """``BAD [of THINGS] > SHARE% [for TIME] [by server|client|edge|all] [where FILTER]``.

    :raises ValueError: if it is none.
    """
    found = _ALERT.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no rule: write it as failed > 5% for 30s where ns:shop")
    said = found.groupdict(default="")
    span = _seconds(said["span"], 30.0)
    if not 10 <= span <= _DAY_S:
        raise ValueError(f"for {said['span']} is out of bounds: write 10s to 24h")
    ratio = ratio_of(said["bad"], said["things"], said["where"])
    return Rule(
        name, ratio, _share(said["share"]), span, _by(said["by"]), severity, least, slo=False, text=text
    )


def slo_rule(name: str, text: str, severity: Severity, least: float) -> Rule:
    """``SHARE% of THINGS ok|without BAD|faster than TIME over TIME [by …] [where FILTER]``.

    :raises ValueError: if it is none.
    """
    found = _SLO.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no objective: write it as 99.9% of requests ok over 30d where ns:shop")
    said = found.groupdict(default="")
    span = _seconds(said["span"], 0.0)
    if not 7 * _DAY_S <= span <= 90 * _DAY_S:
        raise ValueError(f"over {said['span']} is out of bounds: write 7d to 90d")
    bad = f"slower:{said['faster']}" if said["faster"] else said["bad"] or "failed"
    ratio = ratio_of(bad, said["things"], said["where"])
    limit = round(1 - _share(said["share"]), 12)
    if limit <= 0:
        raise ValueError("100% leaves no budget: write less, such as 99.9%")
    rule = Rule(name, ratio, limit, span, _by(said["by"]), severity, least, slo=True, text=text)
    if rule.limit * rule.burn_rate(BURNS[-1]) >= 1:
        raise ValueError(f"{said['share']}% is so little that nothing can spend it too fast: write more")
    return rule


def _seconds(text: str, default: float) -> float:
    return duration_ns(text) / 1e9 if text else default


def _share(text: str) -> float:
    share = float(text) / 100
    if not 0 <= share <= 1:
        raise ValueError(f"{text}% is no share: write 0% to 100%")
    return share


def _by(text: str) -> str:
    if text and text not in BY:
        raise ValueError(f"by {text} means nothing: write one of {', '.join(BY)}")
    return text or "server"
