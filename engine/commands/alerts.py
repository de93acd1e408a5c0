"""``tailrace alerts test TARGET``: an alert that opens and ends, to see whether it is taken."""

import argparse
import asyncio
import os
import time
from typing import Any

from engine.config import Config


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    purpose = "try a target of alerts: send it one that opens and ends"
    parser = commands.add_parser(
        "alerts", parents=[common], help=purpose, description=f"{purpose.capitalize()}."
    )
    parser.add_argument("action", choices=("test",), help="test: send an alert, and its end")
    parser.add_argument("target", metavar="TARGET", help="the name of one of alerts.targets")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0: the target took both.

    :raises UsageError: if there is no such target, or a file of it cannot be read.
    :raises AlertError: if it did not take one.
    """
    from engine.plugins.alert_targets import make_target
    from model.standard_output import show

    target = make_target(config.alerts, options.target)
    key = asyncio.run(_tried(target, config.node_name))
    show(f"{options.target} took the alert {key}, and its end")
    return 0


async def _tried(target: Any, node: str) -> str:
    """The key of an alert that was sent."""
    from model.alert import Alert

    now = time.time()
    key = f"tailrace-test-{int(now)}-{os.getpid()}"
    receipt = ""
    try:
        await target.open()
        for revision, (event, what) in enumerate(
            (("open", "is a test"), ("resolve", "was a test: it is over")), 1
        ):
            short = f"INFO {node}: this {what}"
            text = f"{short}\nSomebody ran `tailrace alerts test`. Nothing is wrong."
            alert = Alert(key, revision, event, "info", node, "test", short, text, now, now)  # type: ignore[arg-type]
            receipt = await target.send(alert, receipt)
    finally:
        await target.close()
    return key
