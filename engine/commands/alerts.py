"""``tailrace alerts``: what waits for whom, and what nobody took; or an alert to try a target."""

import argparse
import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.config import Config
from model.errors import UsageError


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    from engine.commands.incident_place import add_bus

    purpose = "show what waits for each target of alerts and what none took; or try a target"
    parser = commands.add_parser(
        "alerts", parents=[common], help=purpose, description=f"{purpose.capitalize()}."
    )
    parser.add_argument(
        "action",
        choices=("list", "dead", "test"),
        help="list: all targets; dead: alerts that were refused; test: send an alert, and its end",
    )
    parser.add_argument("target", metavar="TARGET", nargs="?", default="", help="one of alerts.targets")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    add_bus(parser)
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0: what was asked for was shown; of ``test``: the target took both.

    :raises UsageError: if there is no such target, or a file of it cannot be read, or nothing is kept.
    :raises AlertError: if it did not take one.
    """
    from engine.commands.incident_place import kept_values
    from engine.commands.incidents import columns
    from model.standard_output import show

    if options.action == "test":
        return _test(config, options.target)
    kept = kept_values(config, options, ["said/", "out/", "dead/", "lane/"])
    names = [each.name for each in config.alerts.targets if options.target in ("", each.name)]
    if options.target and not names:
        raise UsageError(f"no target of alerts is called {options.target!r}", "see alerts.targets")
    rows = _dead(kept, names) if options.action == "dead" else [_lane(kept, name) for name in names]
    if options.output == "json":
        show(msgspec.json.encode({"dead" if options.action == "dead" else "targets": rows}).decode())
    elif not rows:
        show("no dead letters" if options.action == "dead" else "no targets")
    else:
        head = tuple(name.upper().replace("_", " ") for name in rows[0])
        show(columns([head, *(tuple(map(_cell, row.values())) for row in rows)]))
    return 0


def _lane(kept: dict[str, Any], name: str) -> dict[str, Any]:
    """How it stands with a target."""
    sent = [value["at"] for key, value in kept.items() if key.startswith(f"said/{name}/")]
    return {
        "target": name,
        "waiting": sum(key.startswith(f"out/{name}/") for key in kept),
        "dead": sum(key.startswith(f"dead/{name}/") for key in kept),
        "last_sent": _written(max(sent, default=0.0)),
        "asked_again": _written(kept.get(f"lane/{name}", {}).get("until", 0.0)),
    }


def _dead(kept: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Alerts that a target refused, the latest last."""
    letters = [value for key, value in kept.items() if key.startswith("dead/") and value["target"] in names]
    return [
        {
            "target": each["target"],
            "at": _written(each["alert"]["at"]),
            "alert": f"{each['alert']['key']}/{each['alert']['revision']}",
            "why": each["why"],
            "short": each["alert"]["short"],
        }
        for each in letters
    ]


def _written(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def _cell(value: Any) -> str:
    return str(value) or "-"


def _test(config: Config, name: str) -> int:
    from engine.plugins.alert_targets import make_target
    from model.standard_output import show

    if not name:
        raise UsageError("which target?", "tailrace alerts list shows them")
    target = make_target(config.alerts, name)
    key = asyncio.run(_tried(target, config.node_name))
    show(f"{name} took the alert {key}, and its end")
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
