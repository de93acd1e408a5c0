"""``tailrace incidents``: those that are open, and those that ended; one of them; and that somebody looks at it."""

import argparse
import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from engine.config import Config
from model.errors import UsageError

if TYPE_CHECKING:
    from actors.incidents.history import History
    from actors.incidents.items import Incident

_HEAD = ("STATE", "SEVERITY", "SINCE", "SUBJECT", "SYMPTOM", "BAD", "NORMAL", "WHERE", "INCIDENT")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    from engine.commands.incident_place import add_bus
    from engine.commands.over_http import add_server

    purpose = "show incidents: those that are open, and those that ended in the last ten minutes"
    parser = commands.add_parser(
        "incidents", parents=[common], help=purpose, description=f"{purpose.capitalize()}."
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "ack"),
        default="list",
        help="show: all of one; ack: say to targets that you look at it",
    )
    parser.add_argument("id", metavar="INCIDENT", nargs="?", default="", help="for show and ack")
    parser.add_argument("--all", action="store_true", help="also those that are over for longer")
    parser.add_argument("--who", metavar="NAME", help="who looks at it (default: the user who asks)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    add_server(parser)
    add_bus(parser)
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Reads what a running Tailrace keeps, or one that ran; ``ack`` asks the one that runs. Engines are asked always.

    :raises UsageError: if nothing is kept there, this user may not read it, or there is no such incident.
    :raises TailraceError: if nobody answers.
    """
    from engine.commands.incident_place import kept_values
    from model.standard_output import show

    if options.action != "list" and not options.id:
        raise UsageError("which incident?", "tailrace incidents lists them")
    if options.action == "ack":
        show(_acknowledged(config, options))
        return 0
    prefixes = [f"{what}/{options.id}" for what in ("incident", "past", "history")]
    if options.action == "list":
        prefixes = ["incident/", "past/"] if options.all else ["incident/"]
    values = kept_values(config, options, prefixes)
    if options.action == "show":
        show(_one(values, options.id, options.output))
    elif options.output == "json":
        show(msgspec.json.encode({"incidents": _kept(values, options)}).decode())
    else:
        show(table(_kept(values, options)))
    return 0


def _acknowledged(config: Config, options: argparse.Namespace) -> str:
    from engine.commands.incident_place import changed_on_bus
    from engine.commands.over_http import data_of
    from engine.nats.incident_requests import Acknowledge

    who = options.who or getpass.getuser()
    there, _ = changed_on_bus(config, options, Acknowledge(options.id, who))
    if there:
        return f"{options.id} is acknowledged by {who}"
    told = data_of(config, options, "POST", f"incidents/{quote(options.id)}/acknowledge", {"who": who})
    by = told["incident"]["acknowledged"]
    return f"{options.id} is acknowledged by {by['by']} at {_written(by['at'])}"


def table(incidents: "list[Incident]") -> str:
    """One line for each."""
    if not incidents:
        return "no incidents"
    return columns([_HEAD, *map(_row, incidents)])


def columns(rows: "list[tuple[str, ...]]") -> str:
    """Lines with cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _kept(values: dict[str, Any], options: argparse.Namespace) -> "list[Incident]":
    """Open ones first, then by when they began, the latest first; pending ones are none yet."""
    from actors.incidents.items import Incident

    wanted = ("incident/", "past/") if options.all else ("incident/",)
    rows = [value for key, value in values.items() if key.startswith(wanted)]
    incidents = [each for each in msgspec.convert(rows, list[Incident]) if each.state != "pending"]
    return sorted(incidents, key=lambda each: (each.state != "open", -each.since, each.key))


def _one(values: dict[str, Any], key: str, form: str) -> str:
    """:raises UsageError: if there is no such incident."""
    from actors.incidents.history import History
    from actors.incidents.items import Incident

    found = values.get(f"incident/{key}") or values.get(f"past/{key}")
    if found is None:
        raise UsageError(f"there is no incident {key}", "tailrace incidents --all lists them")
    incident = msgspec.convert(found, Incident)
    history = msgspec.convert(values.get(f"history/{key}") or {}, History)
    if form == "json":
        return msgspec.json.encode({"incident": incident, "history": history}).decode()
    return "\n".join([history.text, "", *_timeline(history), "", *incident.edges])


def _timeline(history: "History") -> "list[str]":
    return [
        f"{_written(each.at)}  {each.what:11}  {each.who + ': ' if each.who else ''}{each.text}"
        + (f" (silenced by {each.muted_by})" if each.muted_by else "")
        for each in history.entries
    ]


def _written(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _row(incident: "Incident") -> tuple[str, ...]:
    return (
        "acknowledged" if incident.state == "open" and incident.acknowledged_by else incident.state,
        incident.severity,
        _written(incident.since),
        incident.subject,
        incident.symptom,
        f"{incident.share:.2%}",
        f"{incident.expected:.2%}",
        " ".join(f"{name}={value}" for name, value in incident.where.items()) or "-",
        incident.key,
    )
