"""``tailrace silence``: nobody is told of incidents that match, for a time; those that hold; and the end of one."""

import argparse
import getpass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from engine.commands.over_http import add_server, data_of
from engine.config import Config
from model.errors import UsageError

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
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Asks the Tailrace that runs.

    :raises UsageError: if the words mean nothing, or there is no such silence.
    :raises TailraceError: if nobody answers.
    """
    from model.standard_output import show

    if options.lift:
        data_of(config, options, "DELETE", f"silences/{quote(options.lift)}")
        show(f"{options.lift} is lifted")
    elif options.where:
        made = data_of(config, options, "POST", "silences", _asked(options))
        show(_said([made], options.output))
    else:
        show(_said(data_of(config, options, "GET", "silences")["silences"], options.output))
    return 0


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
