"""Queries as rows tell them, against what unbound and dnsmasq say that they answered."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.dns.servers import QUIET, STUB, UNBOUND, UNBOUND6, Replies, Unbound, dig, dnsmasq, unbound
from tests.kernel.loopback import until
from tests.slowness import SLOWNESS

pytestmark = pytest.mark.kernel

START_SECONDS = 120 * SLOWNESS
SETTLE_SECONDS = 30 * SLOWNESS
TAILRACE = str(Path(sys.executable).parent / "tailrace")
#: Asks for names as programs do, by the system's resolver; the words are names, and types are A and AAAA.
ASKS = "import socket, sys\nfor name in sys.argv[1:]:\n try: socket.getaddrinfo(name, 80)\n except OSError: pass\n"

Row = dict[str, Any]


class Watched:
    """Rows that a running Tailrace makes, and the server that they are compared with."""

    def __init__(self, path: Path, server: Unbound, stub_log: Path) -> None:
        self.path, self.server, self.stub_log = path, server, stub_log
        self._seen: list[Row] = []
        self._at = 0

    def rows(self) -> list[Row]:
        """All of kind ``query`` so far."""
        with self.path.open() as lines:
            lines.seek(self._at)
            while (line := lines.readline()).endswith("\n"):
                self._at = lines.tell()
                row = json.loads(line)
                if row["kind"] == "query" and not row.get("dns.question.name", "").startswith("ready"):
                    self._seen.append(row)
        return self._seen

    def find(self, count: int = 1, of: str = "queries", **wanted: Any) -> list[Row]:
        """Rows that say this, once so many queries are in them; names of fields with ``__`` for dots."""
        fields = {name.replace("__", "."): value for name, value in wanted.items()}

        def found() -> list[Row]:
            return [
                row for row in self.rows() if all(row.get(name) == value for name, value in fields.items())
            ]

        until(lambda: sum(row.get(of, 0) for row in found()) >= count, SETTLE_SECONDS)
        rows = found()
        assert sum(row.get(of, 0) for row in rows) == count, rows
        return rows

    def told(self, begin: int, end: str, expected: Replies) -> Replies:
        """What rows from this one on say that an end saw, once they say what is expected."""
        until(lambda: told(self.rows()[begin:], end) == expected, SETTLE_SECONDS)
        return told(self.rows()[begin:], end)


def environment() -> dict[str, str]:
    off = {
        f"TAILRACE_{name}": "off"
        for name in ("HTTP_ENABLED", "ENVOY_ENABLED", "STORE_ENABLED", "TROUBLE_ENABLED")
    }
    on = {f"TAILRACE_{name}_ENABLED": "on" for name in ("UDP", "DNS")}
    return {**os.environ, **off, **on}


@contextlib.contextmanager
def watching(rows: Path, settings: dict[str, str]) -> Iterator[None]:
    command = [TAILRACE, "run", "--stage", "queries", "--sink", f"jsonl:{rows}"]
    process = subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (rows.exists() and "ready" in rows.read_text()):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "no rows come"
            dig("ready.test")
            time.sleep(0.3)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("dns")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(unbound(folder / "unbound"))
        log = stack.enter_context(dnsmasq(folder, STUB, UNBOUND))
        rows = folder / "rows.jsonl"
        stack.enter_context(watching(rows, environment()))
        yield Watched(rows, server, log)


def ask(names: list[str], resolv_conf: Path, text: str) -> None:
    """A process of its own asks, with a resolv.conf of its own."""
    resolv_conf.write_text(text)
    script = f'mount --bind "{resolv_conf}" /etc/resolv.conf && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", ASKS, *names]
    subprocess.run(command, check=True)


def replied(before: Replies, server: Unbound) -> Replies:
    return server.replies() - before


def told(rows: list[Row], end: str = "client") -> Replies:
    found: Replies = Counter()
    for row in rows:
        found[row["dns.question.name"], row["dns.question.type"], row["dns.response.code"]] += row.get(
            f"{end}.queries", 0
        )
    return +found


def test_getaddrinfo_with_a_search_list_is_what_the_server_logs(watched: Watched, tmp_path: Path) -> None:
    """Each name that it tries, both types; those before the one that exists are noise."""
    before, rows_before = watched.server.replies(), len(watched.rows())
    conf = f"nameserver {UNBOUND}\nsearch ns.svc.test svc.test test\noptions ndots:5\n"
    ask(["web", "v4", "gone.test."], tmp_path / "resolv.conf", conf)
    expected = replied(before, watched.server)
    assert expected["web.ns.svc.test", "AAAA", "NXDOMAIN"] == 1
    for end in ("client", "server"):
        assert watched.told(rows_before, end, expected) == expected
    noise = {row["dns.question.name"] for row in watched.rows()[rows_before:] if row.get("dns.search")}
    assert noise == {"web.ns.svc.test", "web.svc.test", "v4.ns.svc.test", "v4.svc.test"}
    assert not any(row.get("queries.failed") for row in watched.rows()[rows_before:])


def test_two_questions_in_one_segment_are_two(watched: Watched, tmp_path: Path) -> None:
    conf = f"nameserver {UNBOUND}\noptions use-vc\n"
    ask(["n7.test"], tmp_path / "resolv.conf", conf)
    rows = watched.find(2, dns__question__name="n7.test", network__transport="tcp")
    assert sorted((row["dns.question.type"], row["dns.response.code"]) for row in rows) == [
        ("A", "NOERROR"),
        ("AAAA", "NOERROR"),
    ]


def test_a_truncated_answer_is_asked_for_again_over_tcp(watched: Watched) -> None:
    dig("big.test", "TXT", more=["+bufsize=512"])
    (cut,) = watched.find(1, dns__question__name="big.test", network__transport="udp")
    assert cut["dns.truncated"] == 1
    (whole,) = watched.find(1, dns__question__name="big.test", network__transport="tcp")
    assert whole["dns.response.code"] == "NOERROR"
    assert "dns.truncated" not in whole


def test_failures_are_told_and_a_name_that_does_not_exist_is_none(watched: Watched) -> None:
    dig("a.broken.example", more=["+tries=1", "+timeout=20"])
    dig("nowhere.test")
    (failed,) = watched.find(1, dns__question__name="a.broken.example", server__address=UNBOUND)
    assert (failed["dns.response.code"], failed["queries.failed"]) == ("SERVFAIL", 1)
    (absent,) = watched.find(1, dns__question__name="nowhere.test")
    assert absent["dns.response.code"] == "NXDOMAIN"
    assert "queries.failed" not in absent


def test_time_outs_and_retries_from_new_sockets(watched: Watched) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind((QUIET, 53))
        dig("slow.test", server=QUIET, more=["+tries=2", "+timeout=1"])
    rows = watched.find(2, dns__question__name="slow.test", of="client.queries")
    assert {row["dns.response.code"] for row in rows} == {"NO_ANSWER"}
    assert sum(row.get("dns.retries", 0) for row in rows) == 1
    assert len({row["client.port"] for row in rows}) == 2


def test_each_end_of_a_stub_chain_is_its_own(watched: Watched) -> None:
    dig("n9.test", server=STUB)
    (asked,) = watched.find(1, dns__question__name="n9.test", server__address=STUB)
    (passed,) = watched.find(1, dns__question__name="n9.test", server__address=UNBOUND)
    assert (asked["client.process.comm"], asked["server.process.comm"]) == ("dig", "dnsmasq")
    assert (passed["client.process.comm"], passed["server.process.comm"]) == ("dnsmasq", "unbound")
    assert "query[A] n9.test" in watched.stub_log.read_text()


def test_ipv6_and_edns(watched: Watched) -> None:
    dig("n11.test", server=UNBOUND6, more=["+dnssec", "+bufsize=1232"])
    (row,) = watched.find(1, dns__question__name="n11.test")
    assert (row["network.type"], row["server.address"]) == ("ipv6", "::1")
    assert row["client.queries"] == row["server.queries"] == 1


def test_many_are_as_many_as_the_server_says(watched: Watched) -> None:
    before, begin = watched.server.replies(), len(watched.rows())
    names = [f"n{number}.test" for number in range(20, 220)]
    subprocess.run(["dig", f"@{UNBOUND}", "+noall", *names], check=True, capture_output=True)
    expected = replied(before, watched.server)
    assert sum(expected.values()) == len(names)
    assert watched.told(begin, "client", expected) == expected
