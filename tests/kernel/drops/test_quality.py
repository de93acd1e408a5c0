"""Network or application? Real faults on a bed, each on a port of its own, and what a running Tailrace says."""

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from store.opening import open_store
from store.queries.questions import QUESTIONS, ask, parameters_of
from store.reading import Store
from tests.beds.watch import TAILRACE
from tests.kernel.drops.bed import SERVER_ADDRESS, SETTLE_SECONDS, Watched, opened, watched
from tests.kernel.loopback import until
from tests.kernel.nat_network import CLIENT, ROUTER, SERVER, NatNetwork, nat_network

pytestmark = pytest.mark.kernel

SLOW, LOSSY, DEAF, FULL, FORBIDDEN, WELL = range(2901, 2907)
#: Seconds in which the slow server answers; those in which others give up.
SLOW_S, PATIENCE_S = 0.3, 1.5
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Ill:
    """A bed on which all faults happen at once, and the store of who watches."""

    watched: Watched
    stack: contextlib.ExitStack
    store: Store
    folder: Path

    @property
    def network(self) -> NatNetwork:
        """The bed."""
        return self.watched.network

    def quality(self, port: int) -> dict[str, Any]:
        """What is said of all that is asked of a port."""
        question = QUESTIONS["quality"]
        words = {"q": [f"port:{port}"], "window": ["2m"]}
        data = ask(self.store, question, parameters_of(question, words), time.time()).data
        return {
            "verdict": data.verdict,
            "sentence": data.sentence,
            "findings": {each.verdict for each in data.findings},
        }

    def node(self, port: int) -> str:
        """The machine that drops packets to a port."""
        return str(self.watched.drops(destination__port=port)[0]["node"])

    def comes_to(self, port: int, verdict: str) -> str:
        """The sentence, once this is the verdict."""
        until(lambda: self.quality(port)["verdict"] == verdict, SETTLE_SECONDS)
        found = self.quality(port)
        assert found["verdict"] == verdict, found
        return str(found["sentence"])

    def listen(self, port: int, backlog: int = 50) -> socket.socket:
        """On the server."""
        listener = self.stack.enter_context(opened(self.network, SERVER, socket.SOCK_STREAM))
        listener.bind(("0.0.0.0", port))
        listener.listen(backlog)
        return listener

    def serve(self, port: int, answer: Callable[[socket.socket], None]) -> None:
        """One connection after the other, until the bed is left."""
        listener = self.listen(port)

        def serving() -> None:
            with contextlib.suppress(OSError):
                while True:
                    there, _ = listener.accept()
                    with there:
                        answer(there)

        thread = threading.Thread(target=serving)
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(listener.shutdown, socket.SHUT_RDWR)

    def caller(self) -> socket.socket:
        """On the client."""
        return self.stack.enter_context(opened(self.network, CLIENT, socket.SOCK_STREAM))

    def ask(self, port: int, count: int) -> None:
        """Requests, one after the other, on one connection."""
        with opened(self.network, CLIENT, socket.SOCK_STREAM) as caller:
            caller.connect((SERVER_ADDRESS, port))
            for _ in range(count):
                caller.sendall(b"GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n")
                caller.recv(1000)


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ill]:
    """All faults."""
    folder = tmp_path_factory.mktemp("quality")
    settings = {
        "TAILRACE_HTTP_ENABLED": "on",
        "TAILRACE_STORE_ENABLED": "on",
        "TAILRACE_STORE_PATH": str(folder / "store"),
        "TAILRACE_WEB_ENABLED": "off",
    }
    with (
        nat_network("trq") as network,
        watched(network, folder, "drops,flows", *settings.items()) as program,
        contextlib.ExitStack() as stack,
    ):
        made = Ill(program, stack, open_store(str(folder / "store")), folder)
        stack.callback(made.store.close)
        _answer_slowly(made)
        _lose(made)
        _refuse_to_read(made)
        _fill_the_queue(made)
        _forbid(made)
        yield made


def _answering(delay_s: float) -> Callable[[socket.socket], None]:
    def answer(there: socket.socket) -> None:
        while there.recv(1000):
            time.sleep(delay_s)
            there.sendall(_ANSWER)

    return answer


def _answer_slowly(made: Ill) -> None:
    made.serve(SLOW, _answering(SLOW_S))
    made.serve(WELL, _answering(0))
    made.ask(WELL, 300)
    asking = threading.Thread(target=made.ask, args=(SLOW, 12))
    asking.start()
    made.stack.callback(asking.join)


def _lose(made: Ill) -> None:
    """Each tenth packet to the server; none is larger than a frame."""
    made.network.run(CLIENT, "ip link set eth0 gso_max_segs 1")
    rule = f"FORWARD -p tcp --dport {LOSSY} -m statistic --mode nth --every 10 --packet 5 -j DROP"
    made.network.run(ROUTER, f"iptables -w -A {rule}")

    def take(there: socket.socket) -> None:
        while there.recv(65536):
            pass

    made.serve(LOSSY, take)
    with opened(made.network, CLIENT, socket.SOCK_STREAM) as caller:
        caller.connect((SERVER_ADDRESS, LOSSY))
        caller.sendall(bytes(400_000))


def _refuse_to_read(made: Ill) -> None:
    """Five connections that are accepted, and no more."""
    made.listen(DEAF)
    for _ in range(5):
        caller = made.caller()
        caller.connect((SERVER_ADDRESS, DEAF))
        caller.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                caller.send(bytes(100_000))


def _fill_the_queue(made: Ill) -> None:
    made.listen(FULL, 1)
    for _ in range(12):
        caller = made.caller()
        caller.setblocking(False)
        caller.connect_ex((SERVER_ADDRESS, FULL))


def _forbid(made: Ill) -> None:
    """Five connects that nobody answers."""
    made.listen(FORBIDDEN)
    made.network.run(SERVER, f"iptables -w -A INPUT -p tcp --dport {FORBIDDEN} -j DROP")
    callers = [made.caller() for _ in range(5)]
    for caller in callers:
        caller.setblocking(False)
        caller.connect_ex((SERVER_ADDRESS, FORBIDDEN))
    time.sleep(PATIENCE_S)
    for caller in callers:
        caller.close()


def test_a_slow_server_is_the_applications(ill: Ill) -> None:
    """The way to it is quick."""
    sentence = ill.comes_to(SLOW, "application")
    assert "server slow: p50 of requests 3" in sentence


def test_what_is_well_is_well(ill: Ill) -> None:
    """Beside all faults."""
    assert "0 % of segments retransmitted" in ill.comes_to(WELL, "well")


def test_a_lossy_way_is_the_networks_and_says_who_loses(ill: Ill) -> None:
    """With the chain, the machine, and what was sent again."""
    sentence = ill.comes_to(LOSSY, "network")
    assert f"dropped by netfilter on {ill.node(LOSSY)}, chain FORWARD" in sentence
    assert until(lambda: "of segments retransmitted" in ill.quality(LOSSY)["sentence"], SETTLE_SECONDS)


def test_a_server_that_does_not_read_is_the_receivers(ill: Ill) -> None:
    """Its window is zero, second by second."""
    assert "the server left a zero window" in ill.comes_to(DEAF, "receiver")


def test_a_full_accept_queue_is_the_servers(ill: Ill) -> None:
    """Though connects are without an answer."""
    sentence = ill.comes_to(FULL, "backlog")
    assert "attempts to connect dropped" in sentence
    assert ill.quality(FULL)["findings"] == {"backlog"}


def test_what_a_firewall_forbids_is_the_networks(ill: Ill) -> None:
    """With its chain, and as many packets as the rule counts; the command says the same."""
    sentence = ill.comes_to(FORBIDDEN, "network")
    listed = ill.network.run(SERVER, "iptables -w -nvxL INPUT").splitlines()
    (count,) = (line.split()[0] for line in listed if f"dpt:{FORBIDDEN}" in line)
    said = f"{count} packets dropped by netfilter on {ill.node(FORBIDDEN)}, chain INPUT"
    assert until(lambda: said in ill.quality(FORBIDDEN)["sentence"], SETTLE_SECONDS), sentence
    command = [TAILRACE, "quality", f"port:{FORBIDDEN}", "--store", str(ill.folder / "store"), "-o", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said in json.loads(answer)["data"]["sentence"]
