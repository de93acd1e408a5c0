"""What goes wrong on a network, against a real server and real processes: nothing is lost."""

import asyncio
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator

import pytest
from faust.types import EventT, StreamT

from engine.transport.embedded import EmbeddedApp, embedded_app
from engine.transport.nats.transport import NatsTransport
from model.errors import TailraceError
from tests.integration.nats_site import SOAK, Site, running
from tests.integration.nats_worker import PARTITIONS
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

LEASE = 2.0
KILLS = 20 if SOAK else 1
RESTARTS = 10 if SOAK else 1


@pytest.fixture
async def site(nats_server: NatsServer) -> AsyncIterator[Site]:
    """Workers on a server of their own."""
    async with running(nats_server.url("faults", f"lease_seconds={LEASE}")) as site:
        yield site


async def test_a_killed_worker_loses_nothing(site: Site) -> None:
    """With one of two workers killed under load, all comes out, in twice the lease; repeated is what it held."""
    workers = [await site.worker(), await site.worker()]
    for worker in workers:
        await worker.until_assigned(2)
    sending = asyncio.create_task(site.send(2000 * KILLS, pause=0.003))
    for _ in range(KILLS):
        before = len(site.results.found)
        await site.results.until(lambda enough=before + 200: len(site.results.found) > enough)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        victim = workers.pop(random.randrange(2))
        await victim.kill()
        await workers[0].until_assigned(PARTITIONS)
        workers.append(await site.worker())
        await workers[1].until_assigned(2)
    await sending
    await site.until_all_came_out()
    assert site.results.values == set(site.sent)
    assert len(site.results.found) == len(site.sent) + site.results.repetitions()
    assert site.results.repetitions() < 400 * KILLS
    assert site.results.worst_delay <= 2 * LEASE


@pytest.mark.parametrize("seconds_away", [0.0, 1.5 * LEASE])
async def test_a_killed_server_loses_nothing(
    site: Site, nats_server: NatsServer, seconds_away: float
) -> None:
    """With the server killed in mid-stream and back later, even after all leases, all comes out."""
    worker = await site.worker()
    await worker.until_assigned(PARTITIONS)
    sending = asyncio.create_task(site.send(1000 * RESTARTS, pause=0.001))
    for number in range(RESTARTS):
        before = len(site.results.found)
        await site.results.until(lambda enough=before + 200: len(site.results.found) > enough)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        nats_server.kill()
        await asyncio.sleep(seconds_away)
        await asyncio.to_thread(nats_server.start)
        await worker.until(lambda seen, times=number + 1: seen["reconnects"] == times and seen["connected"])  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    await sending
    await site.until_all_came_out()
    assert len(site.results.found) == len(site.sent) + site.results.repetitions()
    assert site.log.link.reconnects == RESTARTS
    assert (worker.statistics["lapses"] > 0) == (seconds_away > LEASE)


async def test_a_zombie_does_nothing(site: Site) -> None:
    """A worker that slept over the end of its lease begins no record of its old share, and commits none.

    It falls asleep in the middle of a record: between taking one and beginning it nothing could stop it.
    """
    zombie = await site.worker(seconds_per_record=0.05)
    await zombie.until_assigned(PARTITIONS)
    other = await site.worker(seconds_per_record=0.01)
    await other.until_assigned(2)
    sending = asyncio.create_task(site.send(900, pause=0.002))
    pid = zombie.process.pid

    def of_zombie() -> list[dict[str, float]]:
        return [one.origin for one in site.results.found if one.origin["worker"] == pid]

    await site.results.until(lambda: len(of_zombie()) > 20)
    await asyncio.sleep(0.02)
    zombie.process.send_signal(signal.SIGSTOP)
    await other.until_assigned(PARTITIONS)
    awake = time.monotonic()
    zombie.process.send_signal(signal.SIGCONT)
    await zombie.until(lambda seen: seen["lapses"] == 1 and seen["fenced"] >= 1)
    await zombie.until_assigned(2)
    await sending
    await site.until_all_came_out()
    before = max(origin["generation"] for origin in of_zombie() if origin["begun"] < awake)
    after = [origin["generation"] for origin in of_zombie() if origin["begun"] >= awake]
    assert after
    assert min(after) > before


async def test_a_full_stream_makes_the_sender_wait(nats_server: NatsServer) -> None:
    """A sender faster than the agent waits for room, which is counted, and everything arrives in order."""
    app = embedded_app("slow", nats_server.url("full", "max_messages=20"), commit_interval=0.1)
    got: list[bytes] = []
    done = asyncio.Event()

    async def slow(stream: StreamT[bytes]) -> None:
        async for event in stream.events():
            await asyncio.sleep(0.001)
            _note(event, got)
            if len(got) == 400:
                done.set()

    topic = app.topic("deltas", key_type=bytes, value_type=bytes, partitions=1)
    app.agent(topic)(slow)
    await app.start()
    values = [b"%d" % number for number in range(400)]
    async with asyncio.timeout(30):
        for value in values:
            await topic.send(value=value)
        await done.wait()
    counts = _transport(app).counts()
    await app.stop()
    assert got == values
    assert counts["nats.waits"].value > 0
    assert [counts[f"nats.{name}"].value for name in ("waiting", "in_flight", "expired")] == [0, 0, 0]


def _note(event: EventT[bytes], got: list[bytes]) -> None:
    assert event.value is not None
    got.append(event.value)


def _transport(app: EmbeddedApp) -> NatsTransport:
    assert isinstance(app.transport, NatsTransport)
    return app.transport


@pytest.mark.parametrize("query", ["", "?password=s3cret&user=tailrace", "?token=s3cret"])
async def test_wrong_credentials_end_the_start_at_once(query: str) -> None:
    """A password, user or token that the server does not know raises one sentence, soon, without the secret."""
    server = NatsServer("--user", "tailrace", "--pass", "right").start()
    userinfo = "" if query else "tailrace:s3cret@"
    app = embedded_app("refused", f"nats://{userinfo}{server.address}/{query}")
    try:
        with pytest.raises(TailraceError, match="refuses the credentials: check user and password") as caught:
            async with asyncio.timeout(20):
                await app.start()
    finally:
        await app.stop()
        server.remove()
    assert "s3cret" not in str(caught.value) + repr(_transport(app).backend.link.settings)
    chain = itertools.takewhile(bool, (caught.value.__cause__, caught.value.__context__))
    assert not any("s3cret" in repr(error) for error in chain)
