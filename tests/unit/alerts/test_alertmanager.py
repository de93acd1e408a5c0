"""A real Alertmanager takes our alerts: one notification an incident, repeats are none, the end goes through."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.targets.alertmanager import Alertmanager, AlertmanagerConfig
from model.alert import Alert
from model.alert_target import AlertError
from tests.beds.alertmanager import alertmanager as started
from tests.eventually import eventually
from tests.http_server import HttpServer, Post, Reply


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    with HttpServer(lambda _: Reply(200)).running() as server:
        yield server


@pytest.fixture
def alertmanager(tmp_path: Path, receiver: HttpServer) -> Iterator[str]:
    with started(tmp_path, receiver.url) as url:
        yield url


async def came(receiver: HttpServer, count: int) -> list[dict[str, Any]]:
    """What Alertmanager sent on, once it is so many."""
    await eventually(lambda: len(receiver.posts) >= count, 30)
    return [_read(post) for post in receiver.posts]


def _read(post: Post) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(post.body)
    return read


async def test_one_notification_an_incident_and_its_end(alertmanager: str, receiver: HttpServer) -> None:
    """Severity and explanation change meanwhile: it stays one alert.

    A second incident, told after that, comes right after the first: nothing came between them.
    """
    now = time.time()
    alert = Alert(
        "tailrace-1", 1, "open", "error", "shop/b", "connect_refused", "short", "text", now - 60, now
    )
    target = Alertmanager(AlertmanagerConfig(alertmanager))
    await target.open()
    try:
        receipt = await target.send(alert, "")
        await came(receiver, 1)
        for revision in range(2, 6):
            worse = {
                "revision": revision,
                "event": "update",
                "severity": "critical",
                "where": {"server.node": "n7"},
            }
            changed = msgspec.convert(msgspec.to_builtins(alert) | worse, Alert)
            receipt = await target.send(changed, receipt)
        other = msgspec.structs.replace(alert, key="tailrace-2")
        await target.send(other, "")
        await came(receiver, 2)
        await target.send(msgspec.structs.replace(changed, revision=6, event="resolve"), receipt)
        posts = await came(receiver, 3)
    finally:
        await target.close()
    told = [(post["status"], post["alerts"][0]["labels"]["incident"], len(post["alerts"])) for post in posts]
    assert told == [("firing", "tailrace-1", 1), ("firing", "tailrace-2", 1), ("resolved", "tailrace-1", 1)]
    assert posts[0]["alerts"][0]["annotations"]["summary"] == "short"


async def test_what_it_refuses_is_no_reason_to_come_again(alertmanager: str) -> None:
    """Such as an address with a wrong prefix."""
    alert = Alert("k", 1, "open", "error", "\xff", "s", "short", "text", 0.0, 0.0)
    target = Alertmanager(AlertmanagerConfig(f"{alertmanager}/nowhere"))
    await target.open()
    try:
        with pytest.raises(AlertError, match="404") as raised:
            await target.send(alert, "")
    finally:
        await target.close()
    assert not raised.value.retryable
