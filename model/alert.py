"""What alert targets are told of an incident, and the labels by which filters choose among alerts."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

Severity = Literal["info", "warning", "error", "critical"]
#: The mildest first.
SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
Event = Literal["open", "update", "resolve"]
#: Rules of the user at most.
MOST_RULES: Final = 50
#: Characters of the short form at most.
SHORT: Final = 200


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of one incident, in words and in figures.

    :param key: of the incident; the same from its opening to its end, whatever else changes.
    :param revision: grows with each alert of an incident.
    :param subject: what is in trouble, such as ``shop/checkout``.
    :param short: one line of at most ``SHORT`` characters.
    :param text: the whole message, lines of plain text.
    :param since: Unix seconds at which the trouble began.
    :param at: Unix seconds of this state.
    :param where: value by attribute of what explains it; empty: nothing separates.
    :param link: to the incident's page; empty: there is none.
    :param rules: of the user, that it broke; none: the detector found it.
    """

    key: str
    revision: int
    event: Event
    severity: Severity
    subject: str
    symptom: str
    short: str
    text: str
    since: float
    at: float
    where: dict[str, str] = {}
    link: str = ""
    rules: list[str] = []

    @property
    def id(self) -> str:
        """Of this state; the same each time that it is sent."""
        return f"{self.key}/{self.revision}"

    @property
    def lines(self) -> list[str]:
        """Of the text, without the link: the headline first."""
        return [line for line in self.text.splitlines() if line and line != self.link]

    @property
    def labels(self) -> dict[str, str]:
        """What filters look at."""
        return labels_of(self.subject, self.symptom, self.severity, self.where, self.rules)


def labels_of(
    subject: str, symptom: str, severity: str, where: Mapping[str, str], rules: Sequence[str] = ()
) -> dict[str, str]:
    """What filters look at: attributes of the explanation beside those that all have; rules with blanks between."""
    return {**where, "subject": subject, "symptom": symptom, "severity": severity, "rule": " ".join(rules)}


def cut(text: str, most: int) -> str:
    """The beginning of it, with a mark where something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"
