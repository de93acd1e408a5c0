"""An engine in a process of its own, to be killed: a version refuses in what it sees, and it keeps the incident.

Arguments: a folder, the URL of the bus, that of a webhook, seconds of health, and of the fault. Prints a line when
all that it saw is kept, and goes on until it is killed.
"""

import asyncio
import sys
from pathlib import Path

from tests.eventually import eventually
from tests.integration.test_shared_incidents import engine, seen
from tests.unit.engine.troubled import window


async def main(folder: str, url: str, hook: str, healthy: int, fault: int) -> None:
    """Until it is killed."""
    async with engine(Path(folder), url, hook) as one:
        await eventually(lambda: one.outlet.leads, 20)
        await seen([one], range(healthy + fault), lambda at: window(at, refuses=at >= healthy))
        await eventually(lambda: not one.outlet._bus._unsaved, 20)
        print("told", flush=True)
        await asyncio.Event().wait()


folder, url, hook, healthy, fault = sys.argv[1:]
asyncio.run(main(folder, url, hook, int(healthy), int(fault)))
