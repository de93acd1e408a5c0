"""What a test kills: incidents and their alerts, begun anew by a fork for each line on standard input.

Arguments: a folder, the URL of a webhook, a file with the URL of Teams, milliseconds that a second takes. Each child
says ``pid``, then each second
that it is through with; the parent says ``end`` and how it ended.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from actors.incidents.items import Tick, Trouble
from actors.incidents.message import Facts, alert_of
from alerts.book import Book
from alerts.courier import Courier
from alerts.journal import Journal
from alerts.routing import Routing, Wishes
from alerts.targets.teams import Teams, TeamsConfig
from alerts.targets.webhook import AlertWebhook, AlertWebhookConfig
from model.alert_target import AlertTarget
from tests.eventually import eventually

#: Troubles of 60 seconds, each of another edge and 30 seconds after the one before; and health after.
TROUBLES: Final = 10
SECONDS: Final = 520


async def run(folder: Path, url: str, teams_file: str, second_s: float) -> None:
    """Goes on where the file of the clock says."""
    clock = folder / "clock"
    targets: dict[str, AlertTarget] = {
        "hook": AlertWebhook(AlertWebhookConfig(url)),
        "teams": Teams(TeamsConfig(teams_file)),
    }
    routing = Routing(dict.fromkeys(targets, Wishes()))
    book = Book(Journal(folder / "journal"), routing, lambda change: alert_of(change, Facts()))
    now = 1000.0
    courier = Courier(book.outbox, targets, lambda: now)
    async with AsyncExitStack() as stack:
        for target in targets.values():
            await target.open()
            stack.push_async_callback(target.close)
        lanes = asyncio.create_task(courier.run())
        for at in range(int(clock.read_text()) if clock.exists() else 0, SECONDS):
            now = 1000.0 + at
            if book.tick(Tick(now, tuple(_bad(at)))):
                courier.wake()
            clock.with_suffix(".new").write_text(str(at + 1))
            clock.with_suffix(".new").replace(clock)
            print(at, flush=True)
            await asyncio.sleep(second_s)
        await eventually(lambda: not any(book.outbox.waiting(name) for name in targets))
        lanes.cancel()


def _bad(at: int) -> list[Trouble]:
    return [
        Trouble(f"t{n}", f"s{n}", "reset", 1000.0 + n * 30, 0.5, 0.0, 5, 10, frozenset({f"e{n}"}))
        for n in range(TROUBLES)
        if n * 30 <= at < n * 30 + 60
    ]


def main() -> None:
    """Forks children, one after the other."""
    folder, url, teams_file, second_ms = sys.argv[1:]
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            print("pid", os.getpid(), flush=True)
            asyncio.run(run(Path(folder), url, teams_file, float(second_ms) / 1000))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("end", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
