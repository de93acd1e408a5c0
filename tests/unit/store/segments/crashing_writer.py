"""Writes made-up seconds to a store until it is killed: ``python -m tests.unit.store.segments.crashing_writer DIR``.

Says ``open`` once the store is open. Then it takes the number of the first second from its input, and says each
number once that second is acknowledged.
"""

import asyncio
import sys
from typing import Final

from model.batch import Batch
from model.kinds import kinds
from store.config import StoreConfig
from store.sink import StoreSink
from tailrace.testing.workloads import make_workloads
from tests.unit.store.segments.made import BEGIN
from tests.unit.store.segments.made_requests import requests

#: Seconds lie so far apart that many logs are sealed and merged.
APART_S: Final = 7
ROWS: Final = 60


async def write_on(folder: str) -> None:
    """Until somebody kills this process."""
    sink = StoreSink(StoreConfig(folder, keep_1s=60, keep_10s=120))
    await sink.open([*kinds()])
    print("open", flush=True)
    number = int(sys.stdin.readline())
    while True:
        await sink.write(made(number))
        await sink.write(asked(number))
        await sink.flush()
        print(number, flush=True)
        number += 1


def made(number: int) -> Batch:
    """The batch of this number: the same whenever it is made."""
    ports = {"server.port": 443}
    return make_workloads(ROWS, seed=number, window=BEGIN + APART_S * number, seq=number, columns=ports)


def asked(number: int) -> Batch:
    """Requests of the same second."""
    alike = {
        "client": 1,
        "server": 2,
        "port": 443,
        "method": 1,
        "route": 2,
        "requests": number + 1,
        "ns": 1000,
    }
    return requests(
        BEGIN + APART_S * number, [{**alike, "status": 200 + place} for place in range(9)], number
    )


if __name__ == "__main__":
    asyncio.run(write_on(sys.argv[1]))
