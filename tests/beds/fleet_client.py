"""Asks servers of HTTP at a steady rate, whether they answer or not, and counts what became of it.

    python -m tests.beds.fleet_client LOG

The first line of its standard input is a JSON list of ``[address, port, path, calls per second]``. It prints "ready"
once each was answered, and ends with its standard input; the log has what became of the calls to each, one JSON
object a line.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

#: Seconds that it waits for a connection, and for an answer.
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 1.0
#: Calls under way to one server at most.
MOST = 64


class Target:
    """One server's path, and what became of calls."""

    def __init__(self, address: str, port: int, path: str, rate: float) -> None:
        self.name = (address, port, path)
        self._pause_s = 1 / rate
        self.counts: Counter[str] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            if len(self._under_way) < MOST:
                task = asyncio.create_task(self.call())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            await asyncio.sleep(self._pause_s)

    async def call(self) -> None:
        """One connection, one request."""
        self.counts[await self._outcome()] += 1

    async def _outcome(self) -> str:
        address, port, path = self.name
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(address, port)
        except ConnectionRefusedError:
            return "refused"
        except (TimeoutError, OSError):
            return "unreachable"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(f"GET {path} HTTP/1.1\r\nHost: fleet\r\n\r\n".encode())
                answer = await reader.read(4096)
            return answer.split()[1].decode() if answer else "no answer"
        except (TimeoutError, OSError):
            return "no answer"
        finally:
            writer.close()


async def _main(targets: list[Target]) -> None:
    await asyncio.gather(*(target.call() for target in targets))
    print("ready", flush=True)
    tasks = [asyncio.create_task(target.run()) for target in targets]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


def main(log: str) -> None:
    """Call until the standard input ends."""
    targets = [Target(*each) for each in json.loads(sys.stdin.readline())]
    asyncio.run(_main(targets))
    lines = ({"target": target.name, **target.counts} for target in targets)
    Path(log).write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
