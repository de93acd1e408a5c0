"""``tailrace incidents``: those that are open, and those that ended of late, as they were kept."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.config import Config

if TYPE_CHECKING:
    from actors.incidents.items import Incident

_HEAD = ("STATE", "SEVERITY", "SINCE", "SUBJECT", "SYMPTOM", "BAD", "NORMAL", "WHERE", "INCIDENT")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    purpose = "show incidents: those that are open, and those that ended in the last ten minutes"
    parser = commands.add_parser(
        "incidents", parents=[common], help=purpose, description=f"{purpose.capitalize()}."
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Reads what a running Tailrace keeps, or one that ran.

    :raises UsageError: if nothing is kept there, or this user may not read it.
    """
    from model.standard_output import show

    incidents = _kept(Path(config.trouble.path))
    if options.output == "json":
        show(msgspec.json.encode({"incidents": incidents}).decode())
    else:
        show(table(incidents))
    return 0


def table(incidents: "list[Incident]") -> str:
    """One line for each."""
    if not incidents:
        return "no incidents"
    rows = [_HEAD, *map(_row, incidents)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _kept(folder: Path) -> "list[Incident]":
    """Open ones first, then by when they began, the latest first; pending ones are none yet."""
    from actors.incidents.items import Incident
    from alerts.journal import JOURNAL, read
    from model.errors import UsageError

    path = folder / JOURNAL
    try:
        values = read(path)
    except FileNotFoundError:
        remedy = "set trouble.enabled: on, and restart Tailrace; trouble.path says where they are"
        raise UsageError(f"no incidents are kept in {folder}", remedy) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "ask as the user of Tailrace") from error
    rows = [value for key, value in values.items() if key.startswith("incident/")]
    incidents = [each for each in msgspec.convert(rows, list[Incident]) if each.state != "pending"]
    return sorted(incidents, key=lambda each: (each.state != "open", -each.since, each.key))


def _row(incident: "Incident") -> tuple[str, ...]:
    return (
        incident.state,
        incident.severity,
        f"{datetime.fromtimestamp(incident.since, UTC):%Y-%m-%dT%H:%M:%SZ}",
        incident.subject,
        incident.symptom,
        f"{incident.share:.2%}",
        f"{incident.expected:.2%}",
        " ".join(f"{name}={value}" for name, value in incident.where.items()) or "-",
        incident.key,
    )
