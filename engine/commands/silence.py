"""``tailrace silence``: nobody is told of incidents that match, for a time; those that hold; and the end of one."""

import argparse
import getpass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from engine.commands.incident_place import add_bus, changed_on_bus, silences_on_bus
from engine.commands.over_http import add_server, data_of
from engine.config import Config
from model.errors import UsageError
from model.silence import SilenceWords

_HEAD = ("SILENCE", "NOW", "FROM", "UNTIL", "EVERY", "WHO", "WHERE", "REASON")
_TIMES = {
    "from": "when it begins (default: now)",
    "for": "how long: 2h",
    "until": "when it ends, in place of --for: 2026-11-29T04:00",
    "every": "it comes again after such a time: 1d",
    "ends": "when it comes no more",
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    purpose = "tell nobody of incidents that match, for a time; without words: show silences"
    parser = commands.add_parser(
        "silence", parents=[common], help=purpose, description=f"{purpose.capitalize()}."
    )
    parser.add_argument(
        "where", nargs="*", metavar="WORD", help="a filter of alerts: workload:checkout severity<error"
    )
    for name, meaning in _TIMES.items():
        parser.add_argument(f"--{name}", dest=f"time_{name}", metavar="TIME", default="", help=meaning)
    parser.add_argument("--reason", metavar="TEXT", default="", help="for those who wonder")
    parser.add_argument("--who", metavar="NAME", help="who wants it (default: the user who asks)")
    parser.add_argument("--lift", metavar="SILENCE", help="end this one")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    add_server(parser)
    add_bus(parser)
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Asks the Tailrace that runs.

    :raises UsageError: if the words mean nothing, or there is no such silence.
    :raises TailraceError: if nobody answers.
    """
    from model.standard_output import show

    if options.lift:
        _lift(config, options)
        show(f"{options.lift} is lifted")
    elif options.where:
        show(_said([_made(config, options)], options.output))
    else:
        show(_said(_those_that_hold(config, options), options.output))
    return 0


def _lift(config: Config, options: argparse.Namespace) -> None:
    from engine.nats.incident_requests import Lift

    if not changed_on_bus(config, options, Lift(options.lift))[0]:
        data_of(config, options, "DELETE", f"silences/{quote(options.lift)}")


def _made(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    from engine.nats.incident_requests import AddSilence

    asked = _asked(options)
    words = {name: text for name, text in asked.items() if name != "who"}
    try:
        silence = AddSilence(msgspec.convert(words, SilenceWords), asked["who"])
    except msgspec.ValidationError as error:
        raise UsageError(str(error), "see `tailrace silence --help`") from None
    there, row = changed_on_bus(config, options, silence)
    made: dict[str, Any] = row if there else data_of(config, options, "POST", "silences", asked)
    return made


def _those_that_hold(config: Config, options: argparse.Namespace) -> list[dict[str, Any]]:
    there, rows = silences_on_bus(config, options)
    found: list[dict[str, Any]] = rows if there else data_of(config, options, "GET", "silences")["silences"]
    return found


def _asked(options: argparse.Namespace) -> dict[str, str]:
    """:raises UsageError: if nobody says why."""
    if not options.reason:
        raise UsageError("a silence has a reason", "--reason 'rolling back'")
    times = {name: getattr(options, f"time_{name}") for name in _TIMES}
    return {
        "where": " ".join(options.where),
        "reason": options.reason,
        "who": options.who or getpass.getuser(),
        **{name: text for name, text in times.items() if text},
    }


def _said(silences: list[dict[str, Any]], form: str) -> str:
    from engine.commands.incidents import columns

    if form == "json":
        return msgspec.json.encode({"silences": silences}).decode()
    return columns([_HEAD, *map(_row, silences)]) if silences else "no silences"


def _row(silence: dict[str, Any]) -> tuple[str, ...]:
    return (
        silence["id"],
        "holds" if silence["active"] else "waits",
        _written(silence["from"]),
        _written(silence["until"]),
        f"{silence['every_s']}s" if silence["every_s"] else "-",
        silence["who"],
        silence["where"],
        silence["reason"],
    )


def _written(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
