"""Causes out of the store, as a person reads them."""

from datetime import UTC, datetime

from engine.commands.explain.text import NOTHING, percent, words_of
from model.rows.words import printable
from store.queries.answers import CauseFound, WhereAnswer
from store.queries.questions import Answered


def stored_text(answered: Answered) -> str:
    """What failed, a paragraph for each cause, what it is not, and of when it is."""
    data: WhereAnswer = answered.data
    share = percent(data.failed, data.attempts)
    what = "packets dropped" if data.of == "drops" else f"{data.of} failed"
    lines = [f"{data.failed:,} of {data.attempts:,} {what} ({share})"]
    lines += [line for cause in data.causes for line in _said(cause)]
    if data.failed and not data.causes:
        lines.append(
            NOTHING if answered.against else f"{NOTHING} With --against everything can be the cause."
        )
    if data.no_difference:
        lines.append(f"Not it: {', '.join(map(printable, data.no_difference))}.")
    gaps = dict.fromkeys(f"{gap.node or 'the store'} {gap.reason.replace('_', ' ')}" for gap in answered.gaps)
    unknown = f"; not known: {', '.join(map(printable, gaps))}" if gaps else ""
    lines.append(f"{_time(answered.period.from_s)} to {_time(answered.period.to_s)}{unknown}")
    return "\n".join(lines) + "\n"


def _said(cause: CauseFound) -> list[str]:
    inside = f"{percent(cause.bad, cause.total)} bad ({cause.bad:,} of {cause.total:,})"
    outside = f"; elsewhere {percent(cause.rate_outside, 1)}" if cause.where else ""
    lines = [f"{words_of(cause.where)}: {inside}{outside}; explains {percent(cause.explains, 1)}"]
    lines += [f"  = {words_of(name)}" for name in cause.also_known_as]
    if cause.began_s is not None:
        lines.append(f"  began {_time(cause.began_s)}")
    return lines + [f"  {_time(each.at_s)} {printable(each.text)}" for each in cause.before]


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
