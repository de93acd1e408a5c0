"""Explanations as a person reads them, and as a program does."""

from typing import Any, Final

import msgspec

from actors.explain.causes import Cause, Explanation
from actors.explain.leaves import Leaves
from model.rows.words import printable

#: Percent below which a share is none.
_NONE: Final = 1e-4
NOTHING: Final = "Nothing separates the bad from the healthy."


def json_text(leaves: Leaves, explanation: Explanation) -> str:
    """One object on one line: ``causes``, best first, and ``not``, attributes without a difference."""
    bad, total = (float(column.sum()) for column in (leaves.bad, leaves.total))
    whole = {
        "causes": [_cause(cause) for cause in explanation.causes],
        "not": explanation.no_difference,
        "bad": bad,
        "total": total,
        "expected": explanation.normal,
    }
    return msgspec.json.encode(whole).decode() + "\n"


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "where": cause.where,
        "explains": round(cause.explains, 4),
        "score": round(cause.score, 2),
        "bad": cause.bad,
        "total": cause.total,
        "rate_inside": _share(cause.bad, cause.total),
        "rate_outside": cause.rate_outside,
        "rate_expected": _share(cause.expected, cause.total),
        "also_known_as": cause.also_known_as,
    }


def table_text(leaves: Leaves, explanation: Explanation) -> str:
    """What is bad, a paragraph for each cause, and what it is not."""
    bad, total = (float(column.sum()) for column in (leaves.bad, leaves.total))
    normal = percent(explanation.normal, total)
    lines = [f"{bad:,.0f} of {total:,.0f} bad ({percent(bad, total)}; normal {normal})"]
    lines += [line for cause in explanation.causes for line in _said(cause)]
    if not explanation.causes:
        lines.append(NOTHING)
    if explanation.no_difference:
        lines.append(f"Not it: {', '.join(map(printable, explanation.no_difference))}.")
    return "\n".join(lines) + "\n"


def _said(cause: Cause) -> list[str]:
    inside = f"{percent(cause.bad, cause.total)} bad ({cause.bad:,.0f} of {cause.total:,.0f})"
    outside = f"; elsewhere {percent(cause.rate_outside, 1)}" if cause.where else ""
    lines = [f"{words_of(cause.where)}: {inside}{outside}; explains {percent(cause.explains, 1)}"]
    return lines + [f"  = {words_of(name)}" for name in cause.also_known_as]


def words_of(where: dict[str, str]) -> str:
    """``version=v2 zone=a``; everything has no words of its own."""
    words = [f"{printable(name)}={printable(value) or '(empty)'}" for name, value in where.items()]
    return " ".join(words) or "everything"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def percent(part: float, whole: float) -> str:
    """Two digits where it is small; less than one of a million is none."""
    share = 100 * _share(part, whole)
    return f"{share:.0f} %" if share >= 10 or share < _NONE else f"{share:.2g} %"
