"""``tailrace observe``."""

import argparse
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from engine.commands.filter_words import add_filter
from engine.commands.nats_url import add_nats_option, nats_url
from engine.commands.output import UnbufferedOutput
from engine.config import Config
from model.errors import UsageError

if TYPE_CHECKING:
    from engine.nats.connection import NatsConnection
    from model.filter.filter import Filter

#: The names of ``model.kinds.flow.FlowEvidence``, which would load numpy for the command line alone.
EVIDENCE = ("address", "nat", "server", "client", "both")

#: Characters of a line where the output is no terminal.
_WIDTH = 120
#: Rows shown, unless it was said how many or since when.
_LAST = 20


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "observe",
        parents=[common],
        help="flows and other rows of all nodes, from NATS",
        description="The newest rows that match, then with -f those that come. An option given more than "
        "once wants any of its values; different options are all wanted, and all words of the filter.",
    )
    add_filter(parser)
    add_nats_option(parser)
    _add_ends(parser)
    parser.add_argument("--since", default="", metavar="T", help="10m, 14:05 or 2026-11-29T14:05:00Z; in UTC")
    parser.add_argument("--until", default="", metavar="T", help="likewise")
    parser.add_argument(
        "--last", type=_count, metavar="N", help="how many (default: 20; all that is kept, with --since)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="then show those that come")
    parser.add_argument("--nodes", action="store_true", help="the nodes themselves: clock, sockets, losses")
    parser.add_argument(
        "--workloads", action="store_true", help="who talks to whom, summed up for each second"
    )
    parser.add_argument(
        "--rows",
        default="",
        metavar="ROWS",
        help="queries, drops, listeners, endpoints and so on, or those of a plug-in, by their plural",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def _add_ends(parser: argparse.ArgumentParser) -> None:
    """Options that ask for one end of a row."""
    parser.add_argument("--node", action="append", default=[], metavar="N", help="of either end")
    parser.add_argument(
        "--process", action="append", default=[], metavar="NAME", help="name, pattern such as 'ngin*', or pid"
    )
    parser.add_argument(
        "--port", action="append", default=[], type=_port, metavar="P", help="of either end, or called"
    )
    parser.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="A[/PREFIX]",
        help="of either end, or called",
    )
    parser.add_argument(
        "--evidence", action="append", default=[], choices=EVIDENCE, help="what the flow rests on"
    )
    parser.add_argument(
        "--workload", action="append", default=[], metavar="W", help="NAME or NAMESPACE/NAME of either end"
    )


def execute(config: Config, options: argparse.Namespace) -> int:
    """0, also when a signal or a reader that left ends it."""
    from engine.commands.observe.filter import filter_text
    from engine.nats.address import connection_of
    from model.filter.filter import Filter

    connection = connection_of(nats_url(config, options))
    _check(options)
    wanted = Filter(filter_text(options))
    output = UnbufferedOutput()
    output.run(
        _nodes(connection, options, output) if options.nodes else _rows(connection, wanted, options, output)
    )
    return 0


def _check(options: argparse.Namespace) -> None:
    of_flows = options.process or options.address or options.evidence
    chosen = options.port or options.workload or of_flows or options.filter or options.since or options.until
    if options.nodes and (options.follow or chosen or options.workloads or options.rows):
        raise UsageError("--nodes lists the nodes once", "leave out all but --node, --nats and -o")
    if options.workload and not options.workloads:
        raise UsageError("--workload is of workloads", "add --workloads")
    if options.workloads and (options.node or of_flows):
        raise UsageError("workloads have no such attribute", "choose by --workload and --port")
    if options.rows and options.workloads:
        raise UsageError("--rows and --workloads are different rows", "leave out one of them")


async def _rows(
    connection: "NatsConnection", wanted: "Filter", options: argparse.Namespace, output: UnbufferedOutput
) -> None:
    from engine.commands.observe.filter import selection
    from engine.commands.observe.table import JsonRows, TableRows
    from engine.nats.row_reader import RowRequest, show_rows
    from model.kinds import kind_named, public_named

    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    rows = options.rows or ("workloads" if options.workloads else "flows")
    public, kind = public_named(rows), kind_named(rows)
    if public is None:
        raise UsageError(
            f"{rows} are not published",
            "observe flows, workloads, queries, drops and so on, or rows of a plug-in",
        )
    table = TableRows(width, kind.reading if kind else None)
    text = JsonRows() if options.output == "json" else table
    last = options.last if options.last is not None or wanted.since is not None else _LAST
    request = RowRequest(public, selection(wanted, kind, rows), last, options.follow, wanted.since)
    await show_rows(connection, request, lambda flows: output.print(text.lines(flows)), _warn)


async def _nodes(connection: "NatsConnection", options: argparse.Namespace, output: UnbufferedOutput) -> None:
    from engine.commands.observe.nodes import nodes_json, nodes_table
    from engine.nats.heartbeats import last_heartbeats

    nodes = await last_heartbeats(connection, tuple(options.node))
    text = nodes_json if options.output == "json" else nodes_table
    output.print(text(nodes, time.time_ns()))


def _warn(line: str) -> None:
    print(f"tailrace: {line}", file=sys.stderr)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of flows up to 1000000")
    return int(text)
