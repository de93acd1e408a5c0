"""``tailrace observe -f``: what comes while it runs, and how it ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from typing import Any

import nats
import pytest

from model.public import row_parts
from model.subjects import flow
from tailrace.testing.deltas import WINDOW
from tests.integration.observing import (
    DEADLINE_SECONDS,
    MAIN,
    Start,
    ended,
    line_of,
    publish,
    second,
    start,
    windows,
)
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server", "start"]


async def test_following_shows_what_comes(nats_server: NatsServer, start: Start) -> None:
    """After the last ones each new flow that matches, as it is published."""
    await publish(nats_server, second(0), second(1))
    process = await start("-f", "--last", "1", "-o", "json", "--node", "node-a")
    assert windows([await line_of(process.stdout)]) == [1]
    await publish(nats_server, second(2, node="node-b"), second(3))
    assert windows([await line_of(process.stdout)]) == [3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_quietly(nats_server: NatsServer, start: Start, number: int) -> None:
    """0, and not a word."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    assert windows([await line_of(process.stdout)]) == [0]
    process.send_signal(number)
    assert await ended(process) == (0, [], "")


async def test_a_question_for_its_state_changes_nothing(nats_server: NatsServer, start: Start) -> None:
    """SIGUSR1, which other commands answer: it has none to tell, and goes on."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    assert windows([await line_of(process.stdout)]) == [0]
    process.send_signal(signal.SIGUSR1)
    await publish(nats_server, second(1))
    assert windows([await line_of(process.stdout)]) == [1]
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == (0, [], "")


async def test_a_reader_that_leaves_ends_it_quietly(nats_server: NatsServer, start: Start) -> None:
    """Also when nothing more is published."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    await line_of(process.stdout)
    transport: Any = process._transport  # type: ignore[attr-defined]  # the only way to close one pipe
    transport.get_pipe_transport(1).close()
    assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_following_goes_on_after_the_server_restarted(nats_server: NatsServer, start: Start) -> None:
    """What was published in the meantime is shown, nothing twice."""
    await publish(nats_server, second(0))
    process = await start("-f", "-o", "json")
    assert windows([await line_of(process.stdout)]) == [0]
    nats_server.kill()
    nats_server.start()
    await publish(nats_server, second(1), second(2))
    assert windows([await line_of(process.stdout) for _ in range(2)]) == [1, 2]


async def test_following_goes_on_with_a_stream_that_was_replaced(
    nats_server: NatsServer, start: Start
) -> None:
    """All of the new one is shown, though its numbers begin again below those seen last."""
    await publish(nats_server, second(0), second(1), second(2))
    process = await start("-f", "-o", "json", "--last", "1")
    assert windows([await line_of(process.stdout)]) == [2]
    nats_server.replace()
    await publish(nats_server, second(3), second(4))
    assert windows([await line_of(process.stdout) for _ in range(2)]) == [3, 4]


async def test_following_waits_for_the_first_flow(nats_server: NatsServer, start: Start) -> None:
    """Without a stream it shows what is published, kept or not."""
    process = await start("-f", "-o", "json")
    assert "waiting" in await line_of(process.stderr)
    client = await nats.connect(nats_server.url())
    while True:  # the subscription follows the line after a moment
        await client.publish(flow("node-a"), row_parts(second(7), 4096)[0].data)
        await client.flush()
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), 0.2)
            break
        except TimeoutError:
            continue
    assert windows([line.decode()]) == [7]
    await client.close()


async def test_a_reader_that_is_stuck_does_not_hold_a_signal_up(
    nats_server: NatsServer, start: Start
) -> None:
    """With the pipe full, SIGINT still ends it with 0."""
    await publish(nats_server, *(second(number, rows=2000) for number in range(3)))
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            MAIN,
            "observe",
            "--nats",
            nats_server.url(),
            "--last",
            "6000",
            "-o",
            "json",
        ),
        stdout=write,
        stderr=PIPE,
    )
    os.close(write)
    filled = asyncio.Event()
    asyncio.get_running_loop().add_reader(read, filled.set)
    await asyncio.wait_for(filled.wait(), DEADLINE_SECONDS)
    asyncio.get_running_loop().remove_reader(read)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
    assert process.stderr is not None
    assert await process.stderr.read() == b""
    os.close(read)


async def test_following_goes_on_after_since(nats_server: NatsServer, start: Start) -> None:
    """What comes is shown after what was kept, nothing twice."""
    await publish(nats_server, *(second(number) for number in range(3)))
    process = await start("-f", "--since", str(WINDOW + 1), "-o", "json")
    assert windows([await line_of(process.stdout) for _ in range(2)]) == [1, 2]
    await publish(nats_server, second(3))
    assert windows([await line_of(process.stdout)]) == [3]
