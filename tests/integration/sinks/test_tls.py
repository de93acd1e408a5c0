"""TLS of sinks that speak to a server: whom they trust, and who they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from model.errors import SinkError, UsageError
from sinks.webhook import WebhookConfig, WebhookSink
from tailrace.testing import make_workloads
from tests.certificates import Authority, Certificate
from tests.http_server import HttpServer, Reply
from tests.integration.sinks.otlp_exports import Protocol, exported, protocol, sink_of
from tests.otlp_server import Collected, grpc_server, http_server

__all__ = ["protocol"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that no system knows."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def localhost(authority: Authority) -> Certificate:
    """The server's."""
    return authority.signed("localhost")


@contextmanager
def server_of(
    protocol: Protocol, authority: Authority, mine: Certificate, *, asks_clients: bool = False
) -> Iterator[Collected]:
    """A real server with TLS."""
    if protocol == "http":
        with http_server(tls=authority.of_server(mine, asks_clients=asks_clients)) as collected:
            yield collected
        return
    credentials = grpc.ssl_server_credentials(
        [(mine.key.read_bytes(), mine.certificate.read_bytes())],
        authority.ca.read_bytes() if asks_clients else None,
        asks_clients,
    )
    with grpc_server(credentials=credentials) as collected:
        yield collected


async def refused(url: str, protocol: Protocol, **settings: Any) -> SinkError:
    """Why it gets no rows."""
    with pytest.raises(SinkError) as caught:
        await exported(sink_of(url, protocol, timeout=3, **settings), make_workloads(3))
    return caught.value


async def test_a_server_of_an_own_authority_gets_rows(
    protocol: Protocol, authority: Authority, localhost: Certificate
) -> None:
    """Where the authority is named; compressed, and with headers, as without TLS."""
    with server_of(protocol, authority, localhost) as collected:
        assert collected.url.startswith("https://localhost:")
        sink = sink_of(collected.url, protocol, ca=str(authority.ca), headers={"X-Token": "hunter2"})
        await exported(sink, make_workloads(30))
    assert sum(1 for _ in collected.metrics()) > 3
    assert collected.headers["x-token"] == "hunter2"


async def test_a_server_that_is_not_trusted_gets_nothing(
    protocol: Protocol, authority: Authority, localhost: Certificate, tmp_path: Path
) -> None:
    """Its authority is not the system's, or another than the one that was named; rows wait meanwhile."""
    other = Authority(tmp_path / "other")
    with server_of(protocol, authority, localhost) as collected:
        errors = [
            await refused(collected.url, protocol),
            await refused(collected.url, protocol, ca=str(other.ca)),
        ]
    assert collected.requests == []
    assert all(error.retryable and error.reason == "server_away" for error in errors)
    if protocol == "http":
        assert all("name the authority of its certificate in ca" in str(error) for error in errors)


async def test_a_server_of_another_name_gets_nothing(protocol: Protocol, authority: Authority) -> None:
    """A certificate of the right authority is that of its host alone."""
    with server_of(protocol, authority, authority.signed("elsewhere")) as collected:
        error = await refused(collected.url, protocol, ca=str(authority.ca))
    assert (collected.requests, error.reason) == ([], "server_away")


async def test_a_server_may_ask_who_we_are(
    protocol: Protocol, authority: Authority, localhost: Certificate
) -> None:
    """It gets rows with the client's certificate, and none without."""
    mine = authority.signed("tailrace")
    files = {"certificate": str(mine.certificate), "key": str(mine.key)}
    with server_of(protocol, authority, localhost, asks_clients=True) as collected:
        await refused(collected.url, protocol, ca=str(authority.ca))
        assert collected.requests == []
        await exported(sink_of(collected.url, protocol, ca=str(authority.ca), **files), make_workloads(3))
    assert len(collected.requests) == 1


async def test_files_that_cannot_be_read_are_said_at_the_start(protocol: Protocol) -> None:
    """As one line, with what to do."""
    with pytest.raises(UsageError, match="cannot read") as caught:
        await exported(sink_of("https://localhost:1", protocol, ca="/nowhere"), make_workloads(1))
    assert "check" in str(caught.value)


async def test_a_webhook_trusts_whom_it_is_told_to(authority: Authority, localhost: Certificate) -> None:
    """Another server than that gets nothing."""
    with HttpServer(lambda _: Reply()).running(tls=authority.of_server(localhost)) as web:
        for ca, taken in ((str(authority.ca), True), ("", False)):
            sink = WebhookSink(WebhookConfig(web.url, ca=ca))
            await sink.open([])
            try:
                await sink.write(make_workloads(3))
                if taken:
                    await sink.flush()
                else:
                    with pytest.raises(SinkError, match="no TLS with"):
                        await sink.flush()
            finally:
                await sink.close()
    assert len(web.posts) == 1
