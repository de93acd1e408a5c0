"""Reverse DNS: asked beside the flows' way, remembered within a bound, and only if it is wanted."""

import threading
import time

from enrichers.dns_config import DnsConfig
from enrichers.reverse_dns import NAMED_SECONDS, QUESTIONS, ReverseDns, name_of
from model.enricher import KeyKind
from tests.eventually import eventually

HOST = "192.0.2.1"


class Server:
    """Answers what it knows, when it may."""

    def __init__(self, **names: str) -> None:
        self.names = names
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, address: str) -> str:
        self.asked.append(address)
        assert self.open.wait(60)
        return self.names.get(address, "")


def named(enricher: ReverseDns, address: str = HOST) -> str:
    return (enricher.lookup(KeyKind.ADDRESS, address, 0) or {}).get("host.name", "")


def test_the_systems_resolver_is_asked() -> None:
    """Every machine has a name for its loopback address, and none for a network of documentation."""
    assert "localhost" in name_of("127.0.0.1")


async def test_a_name_is_there_once_it_was_answered() -> None:
    """The first look-up finds nobody and waits for nothing; the version says when it is worth another."""
    server = Server(**{HOST: "db.example"})
    enricher = ReverseDns(DnsConfig(reverse=True), resolve=server)
    await enricher.start("node-1")
    server.open.clear()
    begin = time.monotonic()
    assert [named(enricher) for _ in range(100)] == [""] * 100
    assert time.monotonic() - begin < 60  # as long as the server would have let it wait
    version = enricher.version
    server.open.set()
    await eventually(lambda: enricher.version > version)
    assert named(enricher) == "db.example"
    assert server.asked == [HOST]
    await enricher.close()


async def test_nobody_is_asked_unless_it_is_wanted() -> None:
    """It is off by default; nor is anybody asked for what no host has."""
    server = Server()
    off, on = ReverseDns(DnsConfig(), resolve=server), ReverseDns(DnsConfig(reverse=True), resolve=server)
    await off.start("node-1")
    await on.start("node-1")
    for address in ("224.0.0.1", "::", "fe80::1", "no address"):
        named(on, address)
    named(off)
    named(on, HOST)
    await eventually(lambda: bool(server.asked))
    await off.close()
    await on.close()
    assert server.asked == [HOST]


async def test_names_are_asked_for_again_after_their_time() -> None:
    """The old one stands until then; that there is none is remembered too."""
    server, ahead = Server(**{HOST: "old"}), [0.0]
    enricher = ReverseDns(DnsConfig(reverse=True), resolve=server, now=lambda: ahead[0])
    await enricher.start("node-1")
    named(enricher)
    await eventually(lambda: named(enricher) == "old")
    server.names[HOST] = "new"
    assert named(enricher) == "old"
    ahead[0] += NAMED_SECONDS + 1
    assert named(enricher) == "old"
    await eventually(lambda: named(enricher) == "new")
    named(enricher, "192.0.2.2")
    await eventually(lambda: "192.0.2.2" in server.asked)
    await eventually(lambda: not enricher._asked)
    assert named(enricher, "192.0.2.2") == ""
    assert server.asked == [HOST, HOST, "192.0.2.2"]
    await enricher.close()


async def test_questions_and_names_are_bounded() -> None:
    """A flood of addresses waits in no queue without end, and the longest unseen name is forgotten, counted."""
    server = Server(**{f"192.0.2.{host}": f"host-{host}" for host in range(1, 5)})
    enricher = ReverseDns(DnsConfig(reverse=True, entries=3), resolve=server)
    await enricher.start("node-1")
    for host in range(1, 5):
        named(enricher, f"192.0.2.{host}")
        await eventually(lambda host=host: named(enricher, f"192.0.2.{host}") == f"host-{host}")  # type: ignore[misc]  # a default binds it
    assert (enricher.statistics().entries, enricher.statistics().evicted) == (3, 1)
    server.open.clear()
    for host in range(2 * QUESTIONS):
        named(enricher, f"198.51.{host >> 8}.{host & 255}")
    assert len(enricher._asked) == QUESTIONS
    server.open.set()
    await enricher.close()
