"""``tailrace observe`` as a program of its own against a real server: flows that are kept."""

import json

from tailrace.testing.deltas import WINDOW
from tailrace.testing.flows import make_flows
from tests.integration.observing import Start, ended, publish, second, start, windows
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server", "start"]


async def test_the_newest_flows_come_oldest_first(nats_server: NatsServer, start: Start) -> None:
    """``--last`` counts rows, not messages."""
    await publish(nats_server, *(second(number, rows=2) for number in range(5)))
    code, lines, errors = await ended(await start("--last", "5", "-o", "json"))
    assert (code, windows(lines), errors) == (0, [2, 3, 3, 4, 4], "")


async def test_filters_reach_back_over_the_whole_stream(nats_server: NatsServer, start: Start) -> None:
    """What matches is found behind hundreds of newer messages that do not, in the right order."""
    old = [second(number, comm="rare") for number in range(3)]
    await publish(nats_server, *old, *(second(number, comm="often") for number in range(3, 400)))
    code, lines, _ = await ended(await start("--process", "rar*", "--last", "2", "-o", "json"))
    assert (code, windows(lines)) == (0, [1, 2])
    assert json.loads(lines[0])["client.process.comm"] == "rare"


async def test_one_node_alone(nats_server: NatsServer, start: Start) -> None:
    """Other nodes' flows are left out."""
    batches = [second(number, node=f"node-{'ab'[number % 2]}") for number in range(80)]
    await publish(nats_server, *batches)
    code, lines, _ = await ended(await start("--node", "node-b", "--last", "3", "-o", "json"))
    assert (code, windows(lines)) == (0, [75, 77, 79])


async def test_an_end_on_the_node_is_enough(nats_server: NatsServer, start: Start) -> None:
    """Flows stand under their client's node; those with their server there are found, too."""
    batch = make_flows(200)
    await publish(nats_server, batch)
    wanted = int((batch.columns["server.node.index"] == 2).sum())
    code, lines, _ = await ended(await start("--node", "db.7", "--last", "500", "-o", "json"))
    assert (code, len(lines)) == (0, wanted)


async def test_only_flows_with_that_evidence(nats_server: NatsServer, start: Start) -> None:
    """A grade given twice adds the other."""
    await publish(nats_server, make_flows(200))
    arguments = ("--evidence", "nat", "--evidence", "client", "--last", "500", "-o", "json")
    code, lines, _ = await ended(await start(*arguments))
    assert (code, {json.loads(line)["evidence"] for line in lines}) == (0, {"nat", "client"})


async def test_the_table_fits_80_columns(nats_server: NatsServer, start: Start) -> None:
    """Titles and a line for each of the default 20 flows."""
    await publish(nats_server, make_flows(50))
    code, lines, errors = await ended(await start())
    assert (code, len(lines), errors) == (0, 21, "")
    assert lines[0].split() == ["TIME", "CLIENT", "SERVER", "STATE", "→", "←", "EVIDENCE"]
    assert 79 <= max(map(len, lines)) <= 80


async def test_no_match_is_said(nats_server: NatsServer, start: Start) -> None:
    """Nothing on the output, one line beside it, and no failure."""
    await publish(nats_server, second(0))
    result = await ended(await start("--process", "nobody"))
    assert result == (0, [], "tailrace: no flow that is kept matches\n")


async def test_words_of_a_filter_stand_anywhere(nats_server: NatsServer, start: Start) -> None:
    """Before and after options; one that excludes is no option."""
    await publish(nats_server, *(second(number, comm=("nginx", "curl")[number % 2]) for number in range(6)))
    found = (
        "process:nginx",
        "--last",
        "50",
        "-process:curl",
        "-o",
        "json",
        "evidence:both,client,nat,server,address",
    )
    code, lines, errors = await ended(await start(*found))
    assert (code, windows(lines), errors) == (0, [0, 2, 4], "")
    code, lines, errors = await ended(await start("-o", "json", "prozess:nginx"))
    assert (code, lines) == (2, [])
    assert errors == "tailrace: filter: flows have no 'prozess' at »prozess:nginx«: did you mean process?\n"


async def test_since_and_until_reach_over_all_that_is_kept(nats_server: NatsServer, start: Start) -> None:
    """Every row of the time between comes, however many, oldest first; --last takes the newest of them."""
    await publish(nats_server, *(second(number) for number in range(100)))
    between = ("--since", str(WINDOW + 10), "--until", str(WINDOW + 79), "-o", "json")
    code, lines, errors = await ended(await start(*between))
    assert (code, windows(lines), errors) == (0, list(range(9 + 1, 80)), "")
    code, lines, _ = await ended(await start(*between, "--last", "2"))
    assert (code, windows(lines)) == (0, [78, 79])
    code, lines, errors = await ended(await start("--since", "1m"))
    assert (code, lines, errors) == (0, [], "tailrace: no flow that is kept matches\n")
    code, lines, errors = await ended(await start("--since", "soon"))
    assert (code, lines, errors.count("\n")) == (2, [], 1)
