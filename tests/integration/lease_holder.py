"""A process that has a node name until it is killed; it says so with one line."""

import asyncio
import sys

from engine.nats.address import parse_url
from engine.nats.log import NatsLog
from engine.nats.node_lease import NodeLease


async def main(url: str, node: str) -> None:
    """Hold the lease."""
    log = NatsLog(*parse_url(url))
    await log.start()
    lease = NodeLease(log, node)
    keeping = asyncio.create_task(lease.keep())
    await lease.held.wait()
    print("held", flush=True)
    await keeping


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
