"""``tailrace doctor``: what this machine offers, what is missing, what that costs and how to fix it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final, Literal

import msgspec

from engine.config import Config
from engine.plugins.probes import select
from model.standard_output import show
from probes.checks.capabilities import check_headers, check_hooks, check_limits, check_machine
from probes.checks.check import Check
from probes.checks.rewrites import with_rewrites

WIDTH: Final = 80
_STATUS: Final = 10
_INDENT: Final = " " * (4 + _STATUS + 2)
_MARKS: Final = {"ok": "✓", "missing": "✗", "degraded": "!", "not needed": "-"}

Groups = Mapping[str, Sequence[Check]]


def run_doctor(config: Config, output: Literal["table", "json"]) -> int:
    """Prints all checks; 0 when the main job can run here, 1 when it cannot."""
    groups = examine(config)
    text = report_json(groups) if output == "json" else report_table(groups)
    show(text)
    return 0 if can_run(groups) else 1


def examine(config: Config) -> dict[str, list[Check]]:
    """All checks by group; takes about two seconds, most of it the trial of the hooks."""
    selection = select(config)
    machine, headers, limits = check_machine(), check_headers(), check_limits(selection)
    hooks = with_rewrites(config.nat, check_hooks(selection, [*machine, *headers, *limits]))
    return {"machine": machine, "headers": headers, "hooks": hooks, "limits": limits}


def can_run(groups: Groups) -> bool:
    """Whether nothing that is required is missing."""
    return not any(check.fatal for checks in groups.values() for check in checks)


def report_json(groups: Groups) -> str:
    """``{"ok": bool, "checks": [...]}``; each check names its group."""
    checks = [{"group": name, **asdict(check)} for name, checks in groups.items() for check in checks]
    return msgspec.json.format(msgspec.json.encode({"ok": can_run(groups), "checks": checks})).decode()


def report_table(groups: Groups) -> str:
    """Plain text of at most 80 columns, but for paths that are longer."""
    lines: list[str] = []
    for name, checks in groups.items():
        lines.append(name.capitalize())
        for check in checks:
            lines += _lines(check)
        lines.append("")
    return "\n".join([*lines, *_wrapped(_verdict(groups), "")])


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


def _verdict(groups: Groups) -> str:
    checks = [check for group in groups.values() for check in group]
    lacking = [check.name for check in checks if check.fatal]
    if lacking:
        return f"`tailrace run` cannot work here. Fix first: {', '.join(lacking)}."
    lesser = sum(check.status in {"missing", "degraded"} for check in checks)
    if not lesser:
        return "`tailrace run` works here."
    return f"`tailrace run` works here, with less in {lesser} point{'s' if lesser > 1 else ''}."
