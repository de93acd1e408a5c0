"""Queries as rows tell them, against what unbound and dnsmasq say that they answered."""

import contextlib
import json
import os
import random
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

from tests.kernel.dns.hostile import hostile
from tests.kernel.dns.servers import QUIET, STUB, UNBOUND, UNBOUND6, Replies, Unbound, dig, dnsmasq, unbound
from tests.kernel.loopback import until
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, nat_network
from tests.slowness import SLOWNESS
from tests.unit.probes.dns.packets import answer, question

pytestmark = pytest.mark.kernel

START_SECONDS = 120 * SLOWNESS
SETTLE_SECONDS = 30 * SLOWNESS
TAILRACE = str(Path(sys.executable).parent / "tailrace")
#: An address that nobody has.
VIRTUAL = "10.99.0.53"
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
        """Rows that say this, once so many queries are in them; names of fields with ``__`` for dots.

        :param of: counts them. Both ends are most often told in one row, and in two where a second ends between.
        """
        fields = {name.replace("__", "."): value for name, value in wanted.items()}

        def found() -> list[Row]:
            told = (row for row in self.rows() if row.get(of))
            return [row for row in told if all(row.get(name) == value for name, value in fields.items())]

        until(lambda: sum(row.get(of, 0) for row in found()) >= count, SETTLE_SECONDS)
        rows = found()
        assert sum(row.get(of, 0) for row in rows) == count, rows
        return rows

    def told(self, begin: int, end: str, expected: Replies) -> Replies:
        """What rows from this one on say that an end saw, once they say what is expected."""
        until(lambda: told(self.rows()[begin:], end) == expected, SETTLE_SECONDS)
        return told(self.rows()[begin:], end)

    def noise(self, begin: int, expected: set[str]) -> set[str]:
        """Names that a search list made, once these are told: of the last name of a second the next one has it."""

        def found() -> set[str]:
            return {row["dns.question.name"] for row in self.rows()[begin:] if row.get("dns.search")}

        until(lambda: found() >= expected, SETTLE_SECONDS / SLOWNESS)
        return found()


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
        key = row.get("dns.question.name", ""), row.get("dns.question.type", ""), row["dns.response.code"]
        found[key] += row.get(f"{end}.queries", 0)
    return +found


def test_getaddrinfo_with_a_search_list_is_what_the_server_logs(watched: Watched, tmp_path: Path) -> None:
    """Each name that it tries, both types; those before the one that exists are noise."""
    before, rows_before = watched.server.replies(), len(watched.rows())
    conf = f"nameserver {UNBOUND}\nsearch ns.svc.test svc.test test\noptions ndots:5 timeout:30\n"
    ask(["web", "v4", "gone.test."], tmp_path / "resolv.conf", conf)
    expected = replied(before, watched.server)
    assert expected["web.ns.svc.test", "AAAA", "NXDOMAIN"] == 1
    for end in ("client", "server"):
        assert watched.told(rows_before, end, expected) == expected
    tried = {"web.ns.svc.test", "web.svc.test", "v4.ns.svc.test", "v4.svc.test"}
    noise = watched.noise(rows_before, tried)
    assert noise <= tried if SLOWNESS > 1 else noise == tried  # by how soon the next name is asked for
    assert not any(row.get("queries.failed") for row in watched.rows()[rows_before:])


def test_a_search_list_is_noise_also_where_a_second_ends_between_two_names(watched: Watched) -> None:
    """A second ends within one of these walks at least, each name of which has a socket of its own."""
    begin = len(watched.rows())
    walks = range(12)
    for number in walks:
        for domain, pause_s in (("ns.svc.test", 0.1), ("svc.test", 0.0)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(20)
                client.sendto(question(f"walk{number}.{domain}", number=number).to_wire(), (UNBOUND, 53))
                client.recv(2000)
            time.sleep(pause_s)
    first = {f"walk{number}.ns.svc.test" for number in walks}
    noise = watched.noise(begin, first)
    assert noise <= first if SLOWNESS > 1 else noise == first
    rows = [row for row in watched.rows()[begin:] if row.get("dns.question.name") in first]
    assert sum(row.get("client.queries", 0) for row in rows) == len(walks)
    assert sum(row.get("dns.search", 0) for row in rows) == len(noise)


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
    for server, client, name in ((STUB, "dig", "dnsmasq"), (UNBOUND, "dnsmasq", "unbound")):
        wanted = {"dns__question__name": "n9.test", "server__address": server}
        (asked,) = watched.find(1, "client.queries", **wanted)
        (answered,) = watched.find(1, "server.queries", **wanted)
        assert (asked["client.process.comm"], answered["server.process.comm"]) == (client, name)
    assert "query[A] n9.test" in watched.stub_log.read_text()


def test_ipv6_and_edns(watched: Watched) -> None:
    dig("n11.test", server=UNBOUND6, more=["+dnssec", "+bufsize=1232"])
    for end in ("client.queries", "server.queries"):
        (row,) = watched.find(1, end, dns__question__name="n11.test")
        assert (row["network.type"], row["server.address"]) == ("ipv6", "::1")


def test_many_are_as_many_as_the_server_says(watched: Watched) -> None:
    before, begin = watched.server.replies(), len(watched.rows())
    names = [f"n{number}.test" for number in range(20, 220)]
    subprocess.run(["dig", f"@{UNBOUND}", "+noall", *names], check=True, capture_output=True)
    expected = replied(before, watched.server)
    assert sum(expected.values()) == len(names)
    assert watched.told(begin, "client", expected) == expected


def test_edns_codes_and_the_number_0(watched: Watched) -> None:
    dig("n13.test", more=["+edns=99", "+noednsnegotiation"])
    (row,) = watched.find(1, dns__question__name="n13.test")
    assert (row["dns.response.code"], row["queries.failed"]) == ("BADVERS", 1)
    dig("n15.test", more=["+qid=0"])
    for end in ("client.queries", "server.queries"):
        watched.find(1, end, dns__question__name="n15.test")


def test_a_resolver_behind_nat_is_the_one_that_answers(watched: Watched, tmp_path: Path) -> None:
    """The client asks a virtual address; a router rewrites that, and hides the client's."""
    with nat_network() as network:
        client, resolver = ADDRESSES[4][0], ADDRESSES[4][3]
        for rule in (
            f"PREROUTING -d {VIRTUAL} -p udp --dport 53 -j DNAT --to-destination {resolver}",
            f"POSTROUTING -d {resolver} -p udp --dport 53 -j MASQUERADE",
        ):
            network.run(ROUTER, f"iptables -t nat -A {rule}")
        log = tmp_path / "dnsmasq.log"
        server = [
            *("dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"),
            *(
                "--user=root",
                f"--pid-file={tmp_path}/pid",
                f"--listen-address={resolver}",
                "--bind-interfaces",
            ),
            *("--address=/nat.test/192.0.2.99", "--log-queries", f"--log-facility={log}"),
        ]
        process = subprocess.Popen(["ip", "netns", "exec", network.name(SERVER), *server])
        try:
            asks = f"dig @{VIRTUAL} +tries=1 +timeout=2"
            until(
                lambda: "192.0.2.99" in network.run(CLIENT, f"{asks} ready.nat.test", check=False),
                SETTLE_SECONDS,
            )
            assert "192.0.2.99" in network.run(CLIENT, f"{asks} web.nat.test")
            (asked,) = watched.find(1, "client.queries", dns__question__name="web.nat.test")
            (answered,) = watched.find(1, "server.queries", dns__question__name="web.nat.test")
        finally:
            process.terminate()
            process.wait()
        assert "query[A] web.nat.test" in log.read_text()
    assert asked["connection.id"] == answered["connection.id"]  # most often of one second, and one row
    for row in (asked, answered):
        assert (row["client.address"], row["server.address"]) == (client, resolver)
        assert row["service.address"] == VIRTUAL
    assert (asked["client.process.comm"], answered["server.process.comm"]) == ("dig", "dnsmasq")


def test_hostile_packets_change_nothing_of_what_is_told_of_others(watched: Watched) -> None:
    """A hundred thousand of them, to and from a server's port."""
    random_ = random.Random(11)
    asked = [question("evil.test", kind, edns=True).to_wire() for kind in ("A", "AAAA", "TXT")]
    wires = [*asked, *(answer(question("evil.test"), ["192.0.2.1"] * n).to_wire() for n in (1, 7, 20))]
    made = [hostile(random_, random_.choice(wires)) for _ in range(2000)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((UNBOUND, 53))
        for number in range(100_000):
            client.send(made[number % len(made)])
    before, begin = watched.server.replies(), len(watched.rows())
    names = [f"n{number}.test" for number in range(221, 241)]
    subprocess.run(["dig", f"@{UNBOUND}", "+noall", *names], check=True, capture_output=True)

    def of_names() -> Replies:
        return Counter({key: many for key, many in told(watched.rows()[begin:]).items() if key[0] in names})

    until(lambda: sum(of_names().values()) == len(names), SETTLE_SECONDS)
    expected = replied(before, watched.server)
    assert of_names() == Counter({key: many for key, many in expected.items() if key[0] in names})
