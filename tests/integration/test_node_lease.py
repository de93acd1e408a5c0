"""The lease of a node name: who may publish under it, and who takes it over when."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from engine.nats import node_lease
from engine.nats.address import parse_url
from engine.nats.log import NatsLog
from engine.nats.node_lease import Holder, NodeLease, NodeNameTaken
from engine.nats.streams import AGENT_LEASE_SECONDS
from tests.nats_server import REASON_TO_SKIP, NatsServer, nats_server

__all__ = ["nats_server"]

#: Seconds that anything here may take, but for what waits for a lease.
SOON = AGENT_LEASE_SECONDS / 2


@pytest.fixture
async def log(nats_server: NatsServer) -> AsyncIterator[NatsLog]:
    """A connection."""
    started = NatsLog(*parse_url(nats_server.url()))
    await started.start()
    yield started
    await started.stop()


@asynccontextmanager
async def keeping(lease: NodeLease) -> AsyncIterator["asyncio.Task[None]"]:
    """The lease wanted, and kept once it is there; given back at the end."""
    task = asyncio.create_task(lease.keep())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await lease.leave()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(2 * AGENT_LEASE_SECONDS):
        while not condition():  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)


async def held(lease: NodeLease, seconds: float = SOON) -> None:
    """Wait until the lease is held."""
    async with asyncio.timeout(seconds):
        await lease.held.wait()


async def test_names_do_not_stand_in_each_others_way(log: NatsLog) -> None:
    """Two nodes have their leases at once; what NATS takes for a part of a subject is no part of a name."""
    first, second = NodeLease(log, "db.7"), NodeLease(log, "db")
    async with keeping(first), keeping(second):
        await held(first)
        await held(second)
        assert first.held.is_set()
        assert second.held.is_set()


async def test_the_second_is_refused_within_two_renewals(log: NatsLog) -> None:
    """The first one keeps its lease."""
    first, second = NodeLease(log, "db"), NodeLease(log, "db")
    async with keeping(first):
        await held(first)
        with pytest.raises(NodeNameTaken, match=f"process {os.getpid()} on host"):
            await asyncio.wait_for(second.keep(), SOON)
        assert first.held.is_set()
        assert not second.held.is_set()


async def test_a_killed_agent_is_replaced_at_once_on_its_machine(
    log: NatsLog, nats_server: NatsServer
) -> None:
    """Its process is gone, which can be seen there: nobody waits for the lease to lapse."""
    command = (sys.executable, "-m", "tests.integration.lease_holder", nats_server.url(), "db")
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"held\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    lease = NodeLease(log, "db")
    async with keeping(lease):
        await held(lease)


async def test_an_agent_that_died_elsewhere_is_replaced_after_its_lease(log: NatsLog) -> None:
    """Of another machine only its silence tells: before the lease has lapsed nobody has the name."""
    elsewhere, here = NodeLease(log, "db"), NodeLease(log, "db")
    elsewhere._here = msgspec.structs.replace(elsewhere._here, kernel="another")
    async with keeping(elsewhere) as task:
        await held(elsewhere)
        task.cancel()
        await asyncio.wait({task})
        elsewhere._revision = 0  # it gives nothing back
        began = asyncio.get_running_loop().time()
        async with keeping(here):
            await held(here, 3 * AGENT_LEASE_SECONDS)
            assert asyncio.get_running_loop().time() - began > SOON


async def test_an_agent_that_was_replaced_while_it_was_away_ends(log: NatsLog) -> None:
    """When its renewals come through again, another has the name: it publishes no more."""
    first, second = NodeLease(log, "db"), NodeLease(log, "db")
    async with keeping(first) as task:
        await held(first)
        await first._bucket.put("db", msgspec.json.encode(second._here))  # as if the lease had lapsed
        await eventually(lambda: not first.held.is_set())
        await first._bucket.put("db", msgspec.json.encode(second._here))  # the other one lives
        with pytest.raises(NodeNameTaken):
            await asyncio.wait_for(task, SOON)


async def test_the_lease_survives_the_server(log: NatsLog, nats_server: NatsServer) -> None:
    """It is in the server's memory: after a restart it is made again, and held."""
    lease = NodeLease(log, "db")
    async with keeping(lease) as task:
        await held(lease)
        nats_server.kill()
        nats_server.start()
        await eventually(log.link.up.is_set)
        before = lease._revision
        await eventually(lambda: 0 < lease._revision != before)
        assert lease.held.is_set()
        assert not task.done()
        with pytest.raises(NodeNameTaken):
            await asyncio.wait_for(NodeLease(log, "db").keep(), SOON)


@pytest.mark.skipif(bool(REASON_TO_SKIP), reason=REASON_TO_SKIP)
async def test_rights_from_before_there_was_a_lease_are_enough(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An agent that may not write to the bucket publishes all the same, and says what goes unnoticed."""
    configuration = tmp_path / "nats.conf"
    configuration.write_text(
        'authorization { users: [ {user: a, password: p, permissions: {publish: ["$JS.API.>", '
        '"$KV.tailrace_meta.>"], subscribe: ["_INBOX.>", "tailrace.>"]}} ] }'
    )
    server = NatsServer("-c", str(configuration)).start()
    log = NatsLog(*parse_url(server.url(query="user=a&password=p")))
    try:
        await log.start()
        lease = NodeLease(log, "db")
        async with keeping(lease):
            await held(lease)
        assert "two agents under the name db would not be noticed" in caplog.text
        assert "may not publish $KV.tailrace_agents.db" in caplog.text
    finally:
        await log.stop()
        server.remove()


def test_a_process_is_known_by_its_number_and_start() -> None:
    """One that is gone, only waited for, or has another start has ended; one elsewhere may live."""
    here = Holder.here()
    assert not here.ended(here)
    assert msgspec.structs.replace(here, started=here.started + 1).ended(here)
    assert not msgspec.structs.replace(here, started=0, kernel="another").ended(here)
    assert not msgspec.structs.replace(here, started=0, pids="pid:[1]").ended(here)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped
    started = node_lease._started(child)
    os.waitpid(child, 0)
    assert (started, node_lease._started(child)) == (0, 0)
