"""A sink that gathers rows before it makes them safe: until then no engine forgets them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import graphs
from engine.config import Config
from tests.eventually import eventually
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running
from tests.scripted_source import ScriptedSource

__all__ = ["nats_server"]

#: Short, so that a dead engine is replaced quickly.
QUERY = "lease_seconds=1.5&partitions=2"


@contextmanager
def engine(url: str, out: Path, gather_seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """``tailrace engine`` in a process of its own, which gives flows to a file."""
    sink = {"name": "jsonl", "settings": {"path": str(out)}, "batch": {"seconds": gather_seconds}}
    command = [sys.executable, "-m", "tailrace", "engine", "--nats", url]
    with subprocess.Popen(command, env=os.environ | {"TAILRACE_SINKS": json.dumps([sink])}) as process:
        try:
            yield process
        finally:
            process.kill()


def flows(path: Path) -> int:
    """Rows in a file that is being written."""
    return path.read_text().count('"kind":"flow"') if path.exists() else 0


async def test_rows_that_a_killed_engine_had_gathered_come_again(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """Its sink had written them, and not yet been asked to make them safe; the next engine gets all of them. What
    that one made safe comes no more."""
    url, source = nats_server.url(query=QUERY), ScriptedSource()
    gathered, safe, later = (tmp_path / name for name in ("gathered", "safe", "later"))
    async with running(graphs.agent(Config(), url, source)):
        with engine(url, gathered, 60) as first:
            for _ in range(3):
                source.second(7)
            await eventually(lambda: flows(gathered) == 21, 60)
            first.send_signal(signal.SIGKILL)
        with engine(url, safe, 0) as second:
            await eventually(lambda: flows(safe) == 21, 60)
            second.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.wait, 30) == 0
        source.second(5)
        with engine(url, later, 0):
            await eventually(lambda: flows(later) == 5, 60)
    assert (flows(gathered), flows(safe)) == (21, 21)
