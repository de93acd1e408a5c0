"""The server configuration of docs/nats.md, run as it stands there: who may do what."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats.errors
import pytest
from yarl import URL

from engine import graphs
from engine.config import Config
from engine.nats.connection import NatsConnection, connect
from engine.nats.sink import NatsConfig, NatsSink
from model.kinds.flow import FLOW
from tailrace.testing.flows import make_flows
from tests.configured import configured
from tests.integration.test_roles import Adding, agent
from tests.nats_server import REASON_TO_SKIP, NatsServer
from tests.running_role import running
from tests.scripted_source import ScriptedSource

PAGE = Path(__file__).parents[2] / "docs/nats.md"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that is its own CA, for the server and its clients."""
    folder = tmp_path_factory.mktemp("certificates")
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
        "/CN=server",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "server-key.pem", "-out", "server.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "server.pem").read_bytes())
    return folder


@pytest.fixture
def server(certificates: Path, tmp_path: Path) -> Iterator[NatsServer]:
    """A server with the configuration of the page; only folders are others."""
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)
    block = re.search(r"```\n(jetstream:.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    # The fixture's own arguments turn JetStream on, with another folder.
    text = block[1].replace('jetstream: { store_dir: "/var/lib/nats" }', "")
    for name in ("server.pem", "server-key.pem", "ca.pem"):
        text = text.replace(f'"{name}"', f'"{certificates / name}"')
    (tmp_path / "server.conf").write_text(text)
    started = NatsServer("-c", str(tmp_path / "server.conf"))
    try:
        yield started.start()
    finally:
        started.remove()


def url_of(server: NatsServer, certificates: Path, user: str) -> str:
    """The URL with which a user of the page connects."""
    files = "&".join(
        f"{key}={certificates / name}"
        for key, name in (("tls_ca", "ca.pem"), ("tls_cert", "server.pem"), ("tls_key", "server-key.pem"))
    )
    return server.url(query=f"{files}&user={user}&password={user.upper()}&partitions=2")


class Client:
    """A connection of one user, with the refusals that the server sent."""

    def __init__(self, url: str) -> None:
        parsed = URL(url)
        self._settings = NatsConnection.from_urls([parsed], parsed.query)
        self.refusals: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> "Client":
        self.client = await connect(
            self._settings, on_error=lambda error: self.refusals.put_nowait(str(error))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def refused(self) -> str:
        """The next refusal."""
        return (await asyncio.wait_for(self.refusals.get(), 60)).lower()


@pytest.fixture
async def at_work(server: NatsServer, certificates: Path) -> AsyncIterator[tuple[Adding, ScriptedSource]]:
    """An agent and an engine, each with its rights; a second has passed through both, and flows were published."""
    source, sink = ScriptedSource(), Adding()
    flows = NatsSink(NatsConfig(url=url_of(server, certificates, "engine")))
    engine = graphs.engine(
        Config(), url_of(server, certificates, "engine"), configured({"adding": sink}, "deltas")
    )
    async with running(engine), running(agent(url_of(server, certificates, "agent"), source)):
        source.second(20)
        await sink.until(lambda: sink.bytes >= 20)
        await flows.open((FLOW,))
        await flows.write(make_flows(20))
        await flows.close()
        yield sink, source


async def test_an_agent_publishes_with_its_rights(at_work: tuple[Adding, ScriptedSource]) -> None:
    """With publish-only rights, over TLS with its own certificate, its deltas arrive."""
    sink, source = at_work
    source.second(20)
    await sink.until(lambda: sink.bytes >= 40)
    assert sink.bytes == 40


@pytest.mark.usefixtures("at_work")
async def test_an_agent_cannot_read(server: NatsServer, certificates: Path) -> None:
    """Neither flows nor other nodes' deltas are for it."""
    async with Client(url_of(server, certificates, "agent")) as user:
        for subject in ("tailrace.flow.>", "tailrace.log.deltas.>"):
            await user.client.subscribe(subject)
            assert "permissions violation" in await user.refused()


@pytest.mark.usefixtures("at_work")
async def test_a_reader_sees_flows_and_publishes_nothing(server: NatsServer, certificates: Path) -> None:
    """It observes; a delta or heartbeat of its own is refused."""
    url = url_of(server, certificates, "reader")
    command = [str(Path(sys.executable).parent / "tailrace"), "observe", "--last", "5", "-o", "json"]
    environment = os.environ | {"TAILRACE_BUS_URL": url}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    async with Client(url) as user:
        for subject in ("tailrace.log.deltas.0.me", "tailrace.node.me", "tailrace.flow.me"):
            await user.client.publish(subject, b"x")
            assert "permissions violation" in await user.refused()


async def test_a_wrong_password_is_refused_at_once(server: NatsServer, certificates: Path) -> None:
    """The agent ends with one sentence that holds no secret."""
    url = url_of(server, certificates, "agent").replace("password=AGENT", "password=hunter2")
    with pytest.raises(Exception, match="refuses the credentials") as error:
        async with running(agent(url, ScriptedSource())):
            await asyncio.sleep(5)
    assert "hunter2" not in str(error.value)


async def test_without_a_certificate_nobody_comes_in(server: NatsServer, certificates: Path) -> None:
    """The server verifies its clients."""
    parsed = URL(server.url(query=f"tls_ca={certificates / 'ca.pem'}&user=agent&password=AGENT"))
    with pytest.raises(Exception, match=r"(?i)tls|reachable") as error:
        await connect(NatsConnection.from_urls([parsed], parsed.query))
    assert not isinstance(error.value, nats.errors.TimeoutError)
