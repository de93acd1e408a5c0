"""A worker process of the fault tests: passes records from ``source`` to ``result``, and tells what it does.

Every result says which record it came from and who passed it on when and in which generation; every line of
the output is the worker's statistics.
"""

import asyncio
import json
import os
import sys
import time
from typing import cast

from faust.types import StreamT

from engine.transport.embedded import embedded_app
from engine.transport.nats.transport import NatsTransport

#: Partitions of both topics.
PARTITIONS = 4

#: Seconds between lines of output.
REPORT_PAUSE = 0.1


async def main(broker: str, seconds_per_record: float) -> None:
    """Work until killed."""
    app = embedded_app("workers", broker, commit_interval=0.1)
    source = app.topic("source", key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    result = app.topic("result", key_type=bytes, value_type=bytes, partitions=PARTITIONS)

    async def passes_on(stream: StreamT[bytes]) -> None:
        async for event in stream.events():
            message = event.message
            origin = {
                "partition": message.partition,
                "offset": message.offset,
                "worker": os.getpid(),
                "generation": int(message.generation_id),
                "begun": time.monotonic(),
                "delay": time.time() - message.timestamp,
            }
            await asyncio.sleep(seconds_per_record)
            await result.send(
                value=event.value,
                partition=message.partition,
                headers={"origin": json.dumps(origin).encode()},
            )

    app.agent(source, name="passes on")(passes_on)
    await app.start()
    transport = cast(NatsTransport, app.transport)
    while not app.crashed:
        line = {name.removeprefix("nats."): count.value for name, count in transport.counts().items()} | {
            "assigned": len([tp for tp in app.consumer.assignment() if tp.topic == "source"])
        }
        print(json.dumps(line), flush=True)
        await asyncio.sleep(REPORT_PAUSE)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
