"""What the kernel reads in packets, beside what the parser of user space reads in the same bytes."""

import random
import socket
from collections import Counter
from collections.abc import Iterator

import dns.rrset
import numpy as np
import pytest

from engine.config import Config, DnsSection
from probes.attached import AttachedProbes
from probes.dns.config import QueriesConfig
from probes.dns.exchanges import CLIENT, Exchanges
from probes.dns.exchanges import SERVER as SERVER_ROLE
from probes.dns.maps import TOLD, DnsMaps
from probes.dns.messages import PAYLOAD, parse
from probes.dns.paired import addresses_of, exchanges_of
from probes.drops.config import DropsConfig
from probes.http.config import HttpConfig
from probes.kernel.layout import enums
from probes.registry import PROBES
from probes.selection import Selection
from probes.udp.config import UdpConfig
from tests.kernel.dns.hostile import hostile
from tests.unit.probes.dns.packets import answer, packets, question, record

pytestmark = pytest.mark.kernel

SERVER = ("127.0.53.7", 53)
ROUNDS = 2500
OF = enums("dns")["dns_record_of"]


@pytest.fixture(scope="module")
def maps() -> Iterator[DnsMaps]:
    off, http = DropsConfig(enabled="off"), HttpConfig(enabled="off", tls="off")
    queries = DnsSection(enabled="on", rate=1 << 20, pending=1 << 16)
    config = Config(udp=UdpConfig(enabled="on"), dns=queries, http=http, drops=off)
    probes = AttachedProbes(Selection(config, PROBES))
    probes.start()
    assert probes.queries
    yield probes.queries
    probes.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client and the server that it is connected with."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(SERVER)
        client.connect(SERVER)
        yield client, server


def exchange(ends: tuple[socket.socket, socket.socket], asked: bytes, replied: bytes) -> None:
    client, server = ends
    client.send(asked)
    server.sendto(replied, server.recvfrom(65535)[1])
    client.recv(65535)


def rounds() -> list[tuple[bytes, bytes]]:
    """Questions and answers, of which many are none."""
    random_ = random.Random(7)
    names = (
        *("a.example", "Web.Shop.SVC.cluster.local", "x" * 63 + ".org", ".", "_sip._tcp.a-b.example"),
        *(".".join("1" * 40), "p" * 7 + ".example", "q" * 8 + ".com", ".".join(["y" * 60] * 4)),
    )
    made = []
    for number in range(ROUNDS):
        kind = random_.choice(("A", "AAAA", "TXT"))
        asked = question(random_.choice(names), kind, number, edns=random_.random() < 0.5)
        six = [f"2001:db8::{n:x}" for n in range(random_.randrange(9))]
        four = [f"192.0.2.{n}" for n in range(random_.randrange(9))]
        rcode = random_.choice(
            ("NOERROR", "NXDOMAIN", "SERVFAIL", "BADVERS" if asked.edns >= 0 else "REFUSED")
        )
        addresses = (six if kind == "AAAA" else four) if rcode == "NOERROR" and kind != "TXT" else []
        replied = answer(asked, addresses, rcode, truncated=random_.random() < 0.1)
        if addresses and random_.random() < 0.3:
            target = asked.question[0].name.to_text() if random_.random() < 0.5 else "target.example."
            replied.answer.insert(0, dns.rrset.from_text(asked.question[0].name, 60, "IN", "CNAME", target))
        wires = asked.to_wire(), replied.to_wire()
        changed = random_.randrange(3)  # none, the question, the answer
        made.append(
            tuple(hostile(random_, wire) if changed == at else wire for at, wire in enumerate(wires, 1))
        )
    return [(asked, replied) for asked, replied in made if len(asked) > 12 and 12 < len(replied) <= PAYLOAD]


def outcomes(rows: np.ndarray) -> Counter[tuple[int, ...]]:
    names = ("name", "type", "rcode", "truncated", "retry")
    return Counter(zip(*(rows[name].tolist() for name in names), strict=True))


def addresses(names: np.ndarray, told: np.ndarray) -> Counter[tuple[object, ...]]:
    columns = (names.tolist(), *(told[name].tolist() for name in ("type", "ttl", "address")))
    return Counter(zip(*columns, strict=True))


def test_questions_answers_and_addresses_are_those_that_user_space_reads(
    maps: DnsMaps, ends: tuple[socket.socket, socket.socket]
) -> None:
    """Of well-formed and of hostile packets; what the kernel leaves to user space is among them."""
    sent = rounds()
    told, left = [np.zeros(0, TOLD)], [record(b"")[:0]]
    for number, (asked, replied) in enumerate(sent):
        exchange(ends, asked, replied)
        if number % 500 == 499 or number == len(sent) - 1:
            told.append(maps.exchanges.read())
            left.append(maps.packets.read())
    together = packets(*(record(wire, out=at == 0) for pair in sent for at, wire in enumerate(pair)))
    messages = parse(together)
    expected = Exchanges(10**18, 1 << 20)
    done, places = expected.take(together, messages)

    mine = np.concatenate(told)
    mine = mine[mine["asked"]["role"] == CLIENT]
    rest = np.concatenate(left)
    rest = rest[rest["peer_port"] == 53]  # of the client
    of = rest["header"]["old_state"]
    unread = rest[of == OF["DNS_OF_MESSAGE"]]
    also = Exchanges(10**18, 1 << 20)
    by_messages = parse(unread)
    by_user, at = also.take(unread, by_messages)
    assert outcomes(exchanges_of(mine)) + outcomes(by_user) == outcomes(done)
    assert len(by_user) < len(done) / 5
    assert also.unasked == expected.unasked

    heads, given = addresses_of(mine)
    whole = rest[of == OF["DNS_OF_ADDRESSES"]]
    others = parse(whole)
    found = set(addresses(heads["name"], given))
    found |= set(addresses(others.rows["name"][others.addresses["message"]], others.addresses))
    found |= set(addresses(by_user["name"][at[at >= 0]], by_messages.addresses[at >= 0]))
    wanted = messages.addresses[places >= 0]
    assert found == set(addresses(done["name"][places[places >= 0]], wanted))
    assert len(heads) > len(others.addresses) > 0


def test_each_name_is_told_once_until_it_is_forgotten(
    maps: DnsMaps, ends: tuple[socket.socket, socket.socket]
) -> None:
    def told() -> list[int]:
        rest = maps.packets.read()
        rows = parse(rest[rest["header"]["old_state"] == OF["DNS_OF_NAME"]]).rows
        found: list[int] = rows["name"].tolist()
        return found

    asked = question("once.example")
    for _ in range(3):
        exchange(ends, asked.to_wire(), answer(asked).to_wire())
    (name,) = told()
    maps.forget(np.array([name], np.uint64))
    exchange(ends, question("ONCE.example").to_wire(), answer(asked).to_wire())
    assert told() == [name]


def test_above_the_rate_nothing_is_lost(maps: DnsMaps, ends: tuple[socket.socket, socket.socket]) -> None:
    """A ring without room stands for a rate that is too high: exchanges are counted in cells, with their names."""
    maps.exchanges.read()
    maps.cells()
    before = maps.tallies()
    asked = [question(f"n{number}.flood.example", number=number) for number in range(7)]
    wires = [(one.to_wire(), answer(one, rcode="NXDOMAIN").to_wire()) for one in asked]
    names = parse(packets(*(record(wire) for wire, _ in wires))).rows["name"]
    count = QueriesConfig().ring_bytes // 128 // 2 + 700
    for number in range(count):
        exchange(ends, *wires[number % 7])
    told = maps.exchanges.read()
    told = told[np.isin(told["name"], names)]
    keys, cells = maps.cells()
    mine = np.isin(keys["name"], names)
    keys, cells = keys[mine], cells[mine]
    after = maps.tallies()
    assert after["in_cells"] - before["in_cells"] >= int(cells["queries"].sum()) > 0
    assert len(told) + int(cells["queries"].sum()) == 2 * count
    assert after["no_cell"] == before["no_cell"]
    assert sorted(set(zip(keys["name"].tolist(), keys["role"].tolist(), strict=True))) == sorted(
        (name, role) for name in names.tolist() for role in (CLIENT, SERVER_ROLE)
    )
    assert set(keys["rcode"].tolist()) == {3}
    assert (cells["buckets"].sum(1) == cells["queries"]).all()
    assert not len(maps.cells()[0])  # those that rest are given back
