"""``tailrace explain TABLE``: which values of which attributes separate the bad from the healthy."""

import argparse
import sys
from typing import Any, Final

from engine.config import Config

#: Attributes of one cause at most: each more takes its share of patience, and of sense.
_DEPTHS: Final = range(1, 5)


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    purpose = "where failures live: which values separate the bad from the healthy"
    parser = commands.add_parser(
        "explain",
        parents=[common],
        help=purpose,
        description=f"{purpose.capitalize()}, in a table of attributes and counts: each column that is no "
        "count is an attribute.",
    )
    parser.add_argument(
        "table", metavar="TABLE.csv", help="comma-separated values with a line of names; -: standard input"
    )
    parser.add_argument("--bad", required=True, metavar="COLUMN", help="how many were bad")
    parser.add_argument("--total", required=True, metavar="COLUMN", help="bad and good")
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
        "--depth", type=int, choices=_DEPTHS, default=2, help="attributes of one cause at most (default: 2)"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def execute(_config: Config, options: argparse.Namespace) -> int:
    """0, also if nothing separates.

    :raises UsageError: if the table cannot be read, or says something that cannot be.
    """
    from actors.explain.causes import explain
    from engine.commands.explain.table_file import Roles, read_leaves
    from engine.commands.explain.text import json_text, table_text
    from model.errors import UsageError

    if bool(options.expected_bad) != bool(options.expected_total):
        raise UsageError("one of --expected-bad and --expected-total is missing", "give both or none")
    roles = Roles(options.bad, options.total, options.expected_bad, options.expected_total, options.ignore)
    leaves = read_leaves(options.table, roles)
    explanation = explain(leaves, options.depth)
    text = json_text if options.output == "json" else table_text
    sys.stdout.write(text(leaves, explanation))
    return 0
