"""What the service manager hears of a role: from its readiness to its end, as long as its actors get on."""

import asyncio
import logging
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from engine.actor import ActorPlace
from engine.graph import Graph
from engine.service.notify import ServiceManager
from engine.service.supervision import Supervision, supervise
from model.actor import Actor
from model.ledger import Ledger


class Nothing(Actor):
    """Makes nothing of what it is given."""

    def handle(self, item: Any) -> Iterable[Any]:
        return ()


def manager(listening: socket.socket, watchdog_seconds: float) -> ServiceManager:
    usec = str(int(watchdog_seconds * 1e6))
    return ServiceManager({"NOTIFY_SOCKET": listening.getsockname(), "WATCHDOG_USEC": usec})


def said(listening: socket.socket) -> list[str]:
    """All that was told up to now, line by line."""
    listening.setblocking(False)
    lines: list[str] = []
    while True:
        try:
            lines += listening.recv(4096).decode().split("\n")
        except BlockingIOError:
            return lines


async def test_a_role_is_ready_then_alive_and_says_when_it_stops(manager_socket: socket.socket) -> None:
    """In this order, with a status in between."""
    graph = Graph(Ledger())
    supervising = asyncio.create_task(supervise(graph, manager(manager_socket, 0.04)))
    lines: list[str] = []
    async with asyncio.timeout(20):
        while "WATCHDOG=1" not in lines:
            await asyncio.sleep(0.005)
            lines += said(manager_socket)
    graph.stop()
    await supervising
    lines += said(manager_socket)
    assert lines[:2] == ["READY=1", "STATUS=0 rows/s; lost 0"]
    assert lines[-2:] == ["STOPPING=1", "STATUS=flushing the last rows"]


def test_the_watchdog_is_fed_until_an_actor_is_stuck(
    manager_socket: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it once, and the status goes on."""
    now = 100.0
    monkeypatch.setattr("engine.service.supervision.time.monotonic", lambda: now)
    graph = Graph(Ledger())
    place: ActorPlace = graph.actor("joiner", Nothing())
    supervision = Supervision(graph, manager(manager_socket, 4.0))
    place.inbox.put_nowait(b"item")  # and nobody takes it
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            supervision.look()
            now += 1.0
    lines = said(manager_socket)
    assert lines.count("WATCHDOG=1") == 3
    assert sum(line.startswith("STATUS=") for line in lines) == 5
    assert [record.message for record in caplog.records] == [
        "joiner is stuck: the watchdog ends this process"
    ]
    assert caplog.records[0].__dict__["actor"] == "joiner"


def test_losses_are_in_the_status(manager_socket: socket.socket) -> None:
    graph = Graph(Ledger())
    graph.ledger.stage("sink.jsonl", "rows").drop("disk_full", 7)
    assert Supervision(graph, manager(manager_socket, 0)).status().endswith("lost 7 (sink.jsonl disk_full 7)")


async def test_without_a_service_manager_nothing_is_done() -> None:
    """It returns at once, while the graph goes on."""
    graph = Graph(Ledger())
    supervising = asyncio.create_task(supervise(graph, ServiceManager({})))
    done, _ = await asyncio.wait([supervising], timeout=20)
    assert done == {supervising}
