"""Connecting to a real server: TLS as it should be, and one clear sentence when it is not."""

import asyncio
import contextlib
import gc
import socket
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest
from nats.aio.msg import Msg

from engine.nats.api import Unanswered
from engine.nats.connection import ConnectionRefused, NatsConnection, connect
from engine.nats.link import Link
from model.errors import TailraceError, UsageError
from tests.nats_server import NatsServer, nats_server
from tests.ports import free_port

__all__ = ["nats_server"]


async def until_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that talks as NATS does until the first message comes, and resets the connection."""
    writer.write(b'INFO {"server_id":"s","version":"2.9.10","max_payload":1048576}\r\n')
    while line := await reader.readline():
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")
        if line.startswith(b"PUB"):
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return


async def leave_out(_: Msg) -> None:
    """Nothing comes."""


async def test_a_connection_that_is_reset_with_bytes_to_send_ends_in_good_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its end is told, and no task of it is left behind to complain."""
    server = await asyncio.start_server(until_reset, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for _ in range(10):
        closed = asyncio.Event()

        async def note(closed: asyncio.Event = closed) -> None:
            closed.set()

        client = await connect(NatsConnection((address,)), reconnect=False, on_closed=note)
        await client.subscribe("b", cb=leave_out)
        while not client.is_closed:
            with contextlib.suppress(nats.errors.Error, OSError):
                await client.publish("a", bytes(100_000))
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await closed.wait()
    server.close()
    del client
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate of 127.0.0.1 that is its own CA, and the certificate of somebody else."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "other"):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
        ]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
async def tls_server(nats_server: NatsServer, certificates: Path) -> AsyncIterator[NatsServer]:
    """A server that wants TLS and a certificate of its clients."""
    files = {"tlscert": "server.pem", "tlskey": "server.key", "tlscacert": "server.pem"}
    options = [f"--{option}={certificates / file}" for option, file in files.items()]
    server = NatsServer("--tls", "--tlsverify", *options).start()
    yield server
    server.remove()


async def test_a_client_with_the_right_certificates_talks_tls(
    tls_server: NatsServer, certificates: Path
) -> None:
    """With the CA and an own certificate, messages go through."""
    settings = NatsConnection(
        (tls_server.address,),
        tls_ca=certificates / "server.pem",
        tls_cert=certificates / "server.pem",
        tls_key=certificates / "server.key",
    )
    client = await connect(settings)
    subscription = await client.subscribe("deltas")
    await client.publish("deltas", b"x")
    assert (await subscription.next_msg(5)).data == b"x"
    await client.close()


async def test_a_server_of_another_ca_is_refused(tls_server: NatsServer, certificates: Path) -> None:
    """A server whose certificate the given CA did not sign raises, and says which settings to check."""
    settings = NatsConnection((tls_server.address,), tls_ca=certificates / "other.pem")
    with pytest.raises(
        ConnectionRefused, match=r"TLS failed \(self-signed certificate\): check tls_ca"
    ) as caught:
        await connect(settings)
    assert not caught.value.absent


async def test_no_password_goes_to_a_server_without_tls(nats_server: NatsServer, certificates: Path) -> None:
    """Who asks for TLS is never connected in the clear."""
    settings = NatsConnection(
        (nats_server.address,), user="me", password="s3cret", tls_ca=certificates / "server.pem"
    )
    with pytest.raises(ConnectionRefused, match="the server offers no TLS"):
        await connect(settings)


async def test_files_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    """A file of the wrong kind raises before anything is connected."""
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("wrong")
    with pytest.raises(UsageError, match="no PEM certificates"):
        await connect(NatsConnection(tls_ca=wrong))
    with pytest.raises(ConnectionRefused, match="the credentials cannot be read: check"):
        await connect(NatsConnection((f"127.0.0.1:{free_port()}",), nkey_seed=wrong))


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    """Where nobody listens, the start ends within seconds, and a retry makes sense."""
    with pytest.raises(ConnectionRefused, match="is not reachable: start nats-server") as caught:
        async with asyncio.timeout(20):
            await connect(NatsConnection((f"127.0.0.1:{free_port()}",)))
    assert caught.value.absent


async def test_a_flush_ends_when_the_server_has_answered_all_before_it(nats_server: NatsServer) -> None:
    """What the server sends back is here, however little the client had sent by itself."""
    client = await connect(NatsConnection((nats_server.address,)))
    try:
        for count in (1, 100, 10_000):
            subscription = await client.subscribe(f"to.{count}", pending_msgs_limit=count)
            for _ in range(count):
                await client.publish(f"to.{count}", b"x")
            await client.flush()
            assert subscription.pending_msgs == count
            await subscription.unsubscribe()
    finally:
        await client.close()


async def test_a_client_comes_back_by_itself(nats_server: NatsServer) -> None:
    """A client of ``connect`` survives the death and return of its server."""
    client = await connect(NatsConnection((nats_server.address,)))
    arrived = asyncio.Event()

    async def note(_: object) -> None:
        arrived.set()

    await client.subscribe("deltas", cb=note)
    nats_server.kill()
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(10):
        while not client.is_connected:  # noqa: ASYNC110  # the client tells nobody
            await asyncio.sleep(0.05)
        await client.publish("deltas")
        await arrived.wait()
    assert client.is_connected
    await client.close()


async def test_a_link_says_that_nobody_answers_and_comes_back(nats_server: NatsServer) -> None:
    """While the server is away requests fail at once; afterwards they succeed, and what listened listens."""
    link = Link(NatsConnection((nats_server.address,)))
    await link.open()
    arrived, back = asyncio.Event(), asyncio.Event()

    async def note(_: object) -> None:
        arrived.set()

    await link.listen("deltas", note)
    link.on_reconnect.add(back.set)
    nats_server.kill()
    with pytest.raises(Unanswered):
        await link.api("INFO", {})
    assert link.reconnects == 0
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(10):
        await back.wait()
        assert "memory" in await link.api("INFO", {})
        await link.publish("deltas")
        await arrived.wait()
    assert (link.reconnects, bool(link.last_error)) == (1, True)
    await link.close()


async def test_a_late_word_of_the_connection_before_changes_nothing(nats_server: NatsServer) -> None:
    """Its callback may come when the link has come back already: the link stays up, and the loop goes on."""
    link = Link(NatsConnection((nats_server.address,)))
    await link.open()
    late = link._client._closed_cb
    assert late is not None
    back = asyncio.Event()
    link.on_reconnect.add(back.set)
    nats_server.kill()
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(10):
        await back.wait()
        await late()
        await link.api("INFO", {})
    assert link.up.is_set()
    await link.close()


async def test_a_server_without_jetstream_is_refused() -> None:
    """The error says how to start the server."""
    server = NatsServer(jetstream=False).start()
    try:
        with pytest.raises(TailraceError, match="no JetStream: start nats-server with -js"):
            await Link(NatsConnection((server.address,))).open()
    finally:
        server.remove()
