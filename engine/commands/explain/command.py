"""``tailrace explain``: which values separate the bad from the healthy, in the store or in any table."""

import argparse
import sys
from typing import Any, Final

from engine.config import Config

#: Attributes of one cause at most, if nothing is said: each more takes its share of patience, and of sense.
_DEPTH: Final = 3


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    purpose = "where failures live: which values separate the bad from the healthy"
    parser = commands.add_parser(
        "explain",
        parents=[common],
        help=purpose,
        description=f"{purpose.capitalize()}: of workloads in the store, or, with --bad and --total, in a "
        "table of attributes and counts, each column of which is an attribute if it is no count.",
    )
    parser.add_argument(
        "filter",
        nargs="*",
        metavar="WORD",
        help="workloads (shop/checkout), or client and server:port, and filter words; or TABLE.csv: "
        "values between commas, semicolons or tabs, with a line of names; -: standard input",
    )
    _add_store(parser.add_argument_group("of the store"))
    _add_table(parser.add_argument_group("of a table"))
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def _add_store(group: Any) -> None:
    """What and when, as of ``tailrace where``."""
    group.add_argument("--at", action="append", metavar="TIME", help="end of the window: 03:12")
    group.add_argument("--since", action="append", dest="from", metavar="TIME", help="begin of the window")
    group.add_argument("--until", action="append", dest="to", metavar="TIME", help="its end; now without it")
    group.add_argument("--window", action="append", metavar="LENGTH", help="how long it is (default: 5m)")
    group.add_argument(
        "--against", action="append", metavar="WINDOW", help="when all was well: -1h, a time, or FROM/TO"
    )
    group.add_argument("--of", action="append", metavar="WHAT", help="connects (default), requests or drops")
    group.add_argument(
        "--store",
        metavar="PLACE",
        help="the store to read: folder, or clickhouse:// and a host (default: as configured)",
    )
    group.add_argument("--server", metavar="URL", help="ask a running Tailrace: http://127.0.0.1:8686")
    group.add_argument(
        "--token-file", metavar="FILE", default="", help="with the token that the server wants"
    )


def _add_table(parser: Any) -> None:
    parser.add_argument("--bad", default="", metavar="COLUMN", help="how many were bad")
    parser.add_argument("--total", default="", metavar="COLUMN", help="bad and good")
    parser.add_argument(
        "--expected-bad", default="", metavar="COLUMN", help="how many were bad when all was well"
    )
    parser.add_argument(
        "--expected-total", default="", metavar="COLUMN", help="bad and good when all was well"
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column that says nothing; may be repeated",
    )
    parser.add_argument(
        "--depth",
        type=int,
        default=_DEPTH,
        metavar="N",
        help=f"attributes of one cause at most (default: {_DEPTH})",
    )


def execute(config: Config, options: argparse.Namespace) -> int:
    """0, also if nothing separates.

    :raises UsageError: if the table cannot be read, or says something that cannot be.
    :raises TailraceError: if the store or the server does not answer.
    """
    if options.bad or options.total:
        return _explain_table(options)
    from engine.commands.ask.answered import answer_of, print_answer
    from engine.commands.ask.words import said_by
    from engine.commands.explain.stored import stored_text

    _check_no_table(options)
    said = said_by("where", options)
    if options.output == "json":
        print_answer(config, "where", said, options)
    else:
        sys.stdout.write(stored_text(answer_of(config, "where", said, options)))
    return 0


def _check_no_table(options: argparse.Namespace) -> None:
    """:raises UsageError: if it looks as if a table was meant."""
    from model.errors import UsageError

    tables = [word for word in options.filter if word == "-" or word.endswith((".csv", ".tsv"))]
    columns = options.expected_bad or options.expected_total or options.ignore
    if tables or columns:
        raise UsageError("a table needs --bad and --total", "say which columns have the counts")


def _explain_table(options: argparse.Namespace) -> int:
    from actors.explain.causes import explain
    from engine.commands.explain.table_file import Roles, read_leaves
    from engine.commands.explain.text import json_text, table_text
    from model.errors import UsageError

    if len(options.filter) != 1 or not (options.bad and options.total):
        raise UsageError("a table needs --bad and --total", "name one table, and the columns with the counts")
    if bool(options.expected_bad) != bool(options.expected_total):
        raise UsageError("one of --expected-bad and --expected-total is missing", "give both or none")
    if options.depth < 1:
        raise UsageError(f"--depth is {options.depth}", "a cause has 1 attribute or more")
    roles = Roles(options.bad, options.total, options.expected_bad, options.expected_total, options.ignore)
    leaves = read_leaves(options.filter[0], roles)
    explanation = explain(leaves, min(options.depth, len(leaves.names)))
    text = json_text if options.output == "json" else table_text
    sys.stdout.write(text(leaves, explanation))
    return 0
