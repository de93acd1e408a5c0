"""Silences and maintenance as people write them: a filter, a time, a reason."""

from time import time
from typing import Annotated, Final, NamedTuple

import msgspec

from model.alert_filter import alert_filter
from model.errors import TailraceError
from model.filter.quantities import duration_ns, moment

#: Seconds of the longest silence, and of the shortest time after which one comes again.
_LONGEST_S: Final = 400 * 86_400.0
_SHORTEST_S: Final = 60.0
_NS: Final = 1e9
#: Keys that are words of Python.
KEYS: Final = {"begins": "from", "lasts": "for"}

_Text = Annotated[str, msgspec.Meta(max_length=300)]


class SilenceSpan(NamedTuple):
    """When a silence holds, in Unix seconds.

    :param every_s: it comes again after so many seconds; 0: never.
    :param ends: after which it comes no more; 0: never.
    """

    begins: float
    until: float
    every_s: float
    ends: float


class SilenceWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename=KEYS):
    """What is asked for.

    :param where: a filter of alerts: ``workload:checkout``, ``ns:shop server.version:v2*``, ``severity<error``.
    :param begins: a time; now by default.
    :param lasts: how long, such as ``2h``; or ``until``: a time.
    :param every: it comes again after such a time: ``1d``, ``7d``.
    :param ends: a time after which it comes no more.
    :param reason: for those who wonder.
    """

    where: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    begins: _Text = ""
    lasts: _Text = ""
    until: _Text = ""
    every: _Text = ""
    ends: _Text = ""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]

    def __post_init__(self) -> None:
        if not self.where.strip():
            raise ValueError(
                "`where`: say what is silenced, such as workload:checkout; subject:* is everything"
            )
        try:
            alert_filter(self.where)
        except TailraceError as error:
            raise ValueError(f"`where`: {error}") from None
        self.span(time())

    def span(self, now: float) -> SilenceSpan:
        """When it holds."""
        begins = _time("from", self.begins or "now", now)
        if bool(self.lasts) == bool(self.until):
            raise ValueError("say for how long (`for`: 2h), or `until` when")
        until = begins + _seconds("for", self.lasts) if self.lasts else _time("until", self.until, now)
        every_s = _seconds("every", self.every) if self.every else 0.0
        ends = _time("ends", self.ends, now) if self.ends else 0.0
        if not 0 < until - begins <= _LONGEST_S:
            raise ValueError("it ends before it begins, or after more than 400 days")
        if every_s and every_s < max(until - begins, _SHORTEST_S):
            raise ValueError("it comes again before it ends")
        return SilenceSpan(begins, until, every_s, ends)


class PlannedSilence(SilenceWords, frozen=True, forbid_unknown_fields=True, kw_only=True, rename=KEYS):
    """One of the configuration, such as a maintenance: it begins at a time that is written there.

    :param name: tells it from the others.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,60}$")]
    begins: _Text


def _time(name: str, text: str, now: float) -> float:
    try:
        return moment(text, now)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None


def _seconds(name: str, text: str) -> float:
    try:
        return duration_ns(text) / _NS
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None
