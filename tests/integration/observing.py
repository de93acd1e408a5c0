"""``tailrace observe`` as a program of its own, what it is shown, and what it says, for tests."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from engine.nats.sink import NatsConfig, NatsSink
from model.batch import Batch
from model.kinds.flow import Node
from tailrace.testing.deltas import WINDOW
from tailrace.testing.flows import make_flows
from tests.nats_server import NatsServer

#: Seconds that anything here may take.
DEADLINE_SECONDS = 20


#: Starts the program against the server of the test.
Start = Callable[..., Awaitable[Process]]


MAIN = "from tailrace.__main__ import main; main()"


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[Start]:
    """Programs that end with the test."""
    started: list[Process] = []

    async def observe(*arguments: str, url: str = "", **environment: str) -> Process:
        command = (sys.executable, "-c", MAIN)
        process = await asyncio.create_subprocess_exec(
            *command,
            "observe",
            "--nats",
            url or nats_server.url(),
            *arguments,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"COLUMNS": "80"} | environment,
        )
        started.append(process)
        return process

    yield observe
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: Process) -> tuple[int, list[str], str]:
    """Exit code, lines of output, errors."""
    output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
    assert process.returncode is not None
    return process.returncode, output.decode().splitlines(), errors.decode()


async def line_of(stream: asyncio.StreamReader | None) -> str:
    """The next line."""
    assert stream is not None
    return (await asyncio.wait_for(stream.readline(), DEADLINE_SECONDS)).decode()


async def publish(server: NatsServer, *batches: Batch) -> None:
    sink = NatsSink(NatsConfig(server.url()))
    await sink.open((batches[0].kind,))
    for batch in batches:
        await sink.write(batch)
    await sink.close()


def second(number: int, *, rows: int = 1, node: str = "node-a", comm: str = "nginx") -> Batch:
    """A second of flows of one node; windows tell seconds apart."""
    columns = {f"{side}.process.comm": comm.encode() for side in ("client", "server")}
    ends = (Node(node, "1"), Node(node, "1"))
    return make_flows(rows, seq=number, window=WINDOW + number, columns=columns, ends=ends)


def windows(lines: list[str]) -> list[int]:
    """The seconds of JSON lines, counted from the first."""
    return [json.loads(line)["window"] - WINDOW for line in lines]
