"""What the listener of a role says to whoever keeps it running."""

import asyncio
import urllib.error
import urllib.request

import pytest

from engine.graph import Graph
from engine.metrics import STUCK_SECONDS, Health, serve_metrics
from model.ledger import Ledger
from tests.ports import free_port


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_role_lives_before_it_is_ready_and_is_neither_once_its_loop_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        health = Health()
        listen = f"127.0.0.1:{free_port()}"

        async def states() -> tuple[int, int]:
            live = await asyncio.to_thread(_status, f"http://{listen}/healthz")
            return live, await asyncio.to_thread(_status, f"http://{listen}/readyz")

        with serve_metrics(listen, Graph(Ledger()), health):
            assert await states() == (200, 503)
            health.ready = True
            assert await states() == (200, 200)
            monkeypatch.setattr("engine.metrics.STUCK_SECONDS", -1.0)
            assert await states() == (503, 503)
            monkeypatch.setattr("engine.metrics.STUCK_SECONDS", STUCK_SECONDS)
            assert await asyncio.to_thread(_status, f"http://{listen}/metrics") == 200

    asyncio.run(scenario())
