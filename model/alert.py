"""What alert targets are told of an incident, and the matchers that choose among alerts."""

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

Severity = Literal["info", "warning", "error", "critical"]
#: The mildest first.
SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
Event = Literal["open", "update", "resolve"]
#: Characters of the short form at most.
SHORT: Final = 200

_MATCHER: Final = re.compile(r"\s*([\w.]+)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)


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

    @property
    def id(self) -> str:
        """Of this state; the same each time that it is sent."""
        return f"{self.key}/{self.revision}"

    @property
    def labels(self) -> dict[str, str]:
        """What matchers look at."""
        return labels_of(self.subject, self.symptom, self.severity, self.where)


def labels_of(subject: str, symptom: str, severity: str, where: Mapping[str, str]) -> dict[str, str]:
    """What matchers look at: attributes of the explanation beside the three that all have."""
    return {**where, "subject": subject, "symptom": symptom, "severity": severity}


def cut(text: str, most: int) -> str:
    """The beginning of it, with a mark where something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


class Matcher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``NAME=VALUE``, ``!=``, or ``=~`` and ``!~`` with a regular expression for the whole value.

    A label that is not there has the empty value.
    """

    name: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str

    def __post_init__(self) -> None:
        if self.operator.endswith("~"):
            try:
                re.compile(self.value)
            except re.error as error:
                raise ValueError(f"{self.value!r} is no regular expression: {error}") from None

    @classmethod
    def read(cls, text: str) -> "Matcher":
        """From its text.

        :raises ValueError: if it is none.
        """
        found = _MATCHER.fullmatch(text)
        if not found:
            raise ValueError(
                f"{text!r} is no matcher: write NAME=VALUE, NAME!=VALUE, NAME=~REGEX or NAME!~REGEX"
            )
        name, operator, value = found.groups()
        return msgspec.convert({"name": name, "operator": operator, "value": value.strip('"')}, cls)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it does."""
        value = labels.get(self.name, "")
        same = bool(re.fullmatch(self.value, value)) if self.operator.endswith("~") else value == self.value
        return same != self.operator.startswith("!")
