"""What a test kills at a place that it chooses: an incident that opens, changes and ends, told to one target.

Each line on standard input is a child: a folder, ``teams`` or ``webhook``, its URL (of Teams a file with it),
``again`` or ``skip``, and after how many batches that are on disk it is killed; 0: never. Each says ``pid``, the
parent how it ended.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import time
from typing import Any, Final

import msgspec

from alerts.courier import Courier
from alerts.journal import Journal
from alerts.outbox import Outbox
from alerts.routing import Wishes
from alerts.targets.teams import Teams, TeamsConfig
from alerts.targets.webhook import AlertWebhook, AlertWebhookConfig
from model.alert import Alert
from model.alert_target import AlertTarget

ALERT: Final = Alert("tailrace-1", 1, "open", "error", "shop/b", "reset", "short 1", "text 1", 0.0, 0.0)
STATES: Final = ("open", "update", "resolve")
TARGETS: Final[Mapping[str, Callable[[str], AlertTarget]]] = {
    "teams": lambda file: Teams(TeamsConfig(file)),
    "webhook": lambda url: AlertWebhook(AlertWebhookConfig(url)),
}


async def run(folder: Path, kind: str, address: str, after_kill: str, batches: int) -> None:
    """Goes on with the first state that was not offered yet."""
    left = 0

    def killed(_: Mapping[str, Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    journal = Journal(folder / "journal", copied=killed)
    if "incident/tailrace-1" not in journal:
        journal.put({"incident/tailrace-1": {}})
    left = batches
    outbox = Outbox(journal, wishes={"t": Wishes(after_kill=after_kill)})
    target = TARGETS[kind](address)
    await target.open()
    courier = Courier(outbox, {"t": target}, lambda: time() + 1000 * len(list(folder.iterdir())))
    await courier.deliver("t")
    told = journal.get("said/t/tailrace-1")
    for revision in range(told["alert"]["revision"] + 1 if told else 1, 4):
        outbox.offer(_state(revision), ["t"])
        await courier.deliver("t")
    await target.close()


def _state(revision: int) -> Alert:
    return msgspec.structs.replace(
        ALERT,
        revision=revision,
        event=STATES[revision - 1],
        short=f"short {revision}",
        text=f"text {revision}",
    )


def main() -> None:
    """Forks children, one after the other."""
    for number, line in enumerate(sys.stdin):
        folder, kind, address, after_kill, batches = line.split()
        Path(folder, f"start {number}").touch()
        child = os.fork()
        if not child:
            print("pid", os.getpid(), flush=True)
            asyncio.run(run(Path(folder), kind, address, after_kill, int(batches)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("end", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
