"""What was found, for people and for programs: each check with its cost and how to fix it, and a verdict."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final, Literal

import msgspec

from engine.doctor.examination import examine
from engine.doctor.subject import Subject
from engine.doctor.units import Role
from engine.secrets import guarded
from model.standard_output import show
from probes.checks.check import Check

WIDTH: Final = 80
_STATUS: Final = 10
_INDENT: Final = " " * (4 + _STATUS + 2)
_TITLES: Final = {"bus": "NATS"}
_MARKS: Final = {"ok": "✓", "missing": "✗", "degraded": "!", "not needed": "-"}

Groups = Mapping[str, Sequence[Check]]


def run_doctor(subject: Subject, output: Literal["table", "json"]) -> int:
    """Print all checks; 0 when the role can do its job here as it is configured, 1 when it cannot."""
    groups = {name: list(map(_guarded, checks)) for name, checks in examine(subject).items()}
    text = report_json(groups, subject.role) if output == "json" else report_table(groups, subject.role)
    show(text)
    return 0 if can_run(groups) else 1


def _guarded(check: Check) -> Check:
    """Without secrets, which servers may repeat."""
    return replace(
        check, detail=guarded(check.detail), cost=guarded(check.cost), remedy=guarded(check.remedy)
    )


def can_run(groups: Groups) -> bool:
    """Whether nothing that is required is missing."""
    return not any(check.fatal for checks in groups.values() for check in checks)


def report_json(groups: Groups, role: Role = "run") -> str:
    """``{"ok": bool, "role": text, "checks": [...]}``; each check names its group."""
    checks = [{"group": name, **asdict(check)} for name, checks in groups.items() for check in checks]
    return msgspec.json.format(
        msgspec.json.encode({"ok": can_run(groups), "role": role, "checks": checks})
    ).decode()


def report_table(groups: Groups, role: Role = "run") -> str:
    """Plain text of at most 80 columns, but for paths that are longer."""
    lines: list[str] = []
    for name, checks in groups.items():
        lines.append(_TITLES.get(name, name.capitalize()))
        for check in checks:
            lines += _lines(check)
        lines.append("")
    return "\n".join([*lines, *_wrapped(_verdict(groups, role), "")])


def _lines(check: Check) -> Iterator[str]:
    begin = f"  {_MARKS[check.status]} {check.status:{_STATUS}}  "
    yield from _wrapped(f"{check.name}: {check.detail}", begin)
    if check.cost:
        yield from _wrapped(f"cost: {check.cost}", _INDENT)
    if check.remedy:
        yield from _wrapped(f"fix: {check.remedy}", _INDENT)


def _wrapped(text: str, begin: str) -> list[str]:
    following = _INDENT + "  " if begin else ""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(groups: Groups, role: Role) -> str:
    checks = [check for group in groups.values() for check in group]
    lacking = [check.name for check in checks if check.fatal]
    if lacking:
        return f"`tailrace {role}` cannot work here. Fix first: {', '.join(lacking)}."
    lesser = sum(check.status in {"missing", "degraded"} for check in checks)
    if not lesser:
        return f"`tailrace {role}` works here."
    return f"`tailrace {role}` works here, with less in {lesser} point{'s' if lesser > 1 else ''}."
