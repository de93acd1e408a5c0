"""``tailrace observe``."""

import argparse
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from engine.commands.nats_url import add_nats_option, nats_url
from engine.commands.output import QuietOutput
from engine.config import Config
from model.errors import UsageError

if TYPE_CHECKING:
    from engine.commands.observe.filter import FlowFilter, Network
    from engine.nats.connection import NatsConnection

#: The names of ``model.kinds.flow.FlowEvidence``, which would load numpy for the command line alone.
EVIDENCE = ("address", "nat", "server", "client", "both")

#: Characters of a line where the output is no terminal.
_WIDTH = 120


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "observe",
        parents=[common],
        help="flows or workloads of all nodes, from NATS",
        description="The newest flows that match, then with -f those that come. An option given more than "
        "once wants any of its values; different options are all wanted.",
    )
    add_nats_option(parser)
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
        type=_network,
        metavar="A[/PREFIX]",
        help="of either end, or called",
    )
    parser.add_argument(
        "--evidence", action="append", default=[], choices=EVIDENCE, help="what the flow rests on"
    )
    parser.add_argument("--last", type=_count, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("-f", "--follow", action="store_true", help="then show those that come")
    parser.add_argument("--nodes", action="store_true", help="the nodes themselves: clock, sockets, losses")
    parser.add_argument(
        "--workloads", action="store_true", help="who talks to whom, summed up for each second"
    )
    parser.add_argument("--rows", default="", metavar="ROWS", help="those of a plug-in, by their plural")
    parser.add_argument(
        "--workload", action="append", default=[], metavar="W", help="NAME or NAMESPACE/NAME of either end"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0, also when a signal or a reader that left ends it."""
    from engine.commands.observe.filter import FlowFilter
    from engine.nats.address import connection_of

    connection = connection_of(nats_url(config, options))
    match = FlowFilter(
        tuple(options.node),
        tuple(options.process),
        tuple(options.port),
        tuple(options.address),
        tuple(options.evidence),
        tuple(options.workload),
    )
    _check(options)
    output = QuietOutput()
    show = _nodes if options.nodes else _flows
    output.run(show(connection, match, options, output))
    return 0


def _check(options: argparse.Namespace) -> None:
    of_flows = options.process or options.address or options.evidence
    chosen = options.port or options.workload or of_flows
    if options.nodes and (options.follow or chosen or options.workloads or options.rows):
        raise UsageError("--nodes lists the nodes once", "leave out all but --node, --nats and -o")
    if options.workload and not options.workloads:
        raise UsageError("--workload is of workloads", "add --workloads")
    if options.workloads and (options.node or of_flows):
        raise UsageError("workloads have no such attribute", "choose by --workload and --port")
    if options.rows and (chosen or options.node or options.workloads):
        raise UsageError(
            "flows and workloads alone can be chosen", "leave out all but --last, --follow and -o"
        )


async def _flows(
    connection: "NatsConnection", match: "FlowFilter", options: argparse.Namespace, output: QuietOutput
) -> None:
    from engine.commands.observe.table import JsonRows, TableRows
    from engine.nats.row_reader import RowRequest, show_rows
    from model.kinds import kind_named, public_named

    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    rows = options.rows or ("workloads" if options.workloads else "flows")
    public, kind = public_named(rows), kind_named(rows)
    if public is None:
        raise UsageError(f"{rows} are not published", "observe flows, workloads or rows of a plug-in")
    table = TableRows(width, kind.reading if kind else None)
    text = JsonRows() if options.output == "json" else table
    request = RowRequest(public, match.matcher(), options.last, options.follow)
    await show_rows(connection, request, lambda flows: output.print(text.lines(flows)), _warn)


async def _nodes(
    connection: "NatsConnection", match: "FlowFilter", options: argparse.Namespace, output: QuietOutput
) -> None:
    from engine.commands.observe.nodes import nodes_json, nodes_table
    from engine.nats.heartbeats import last_heartbeats

    nodes = await last_heartbeats(connection, match.nodes)
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


def _network(text: str) -> "Network":
    from engine.commands.observe.filter import network

    try:
        return network(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no address, nor address/prefix") from None
