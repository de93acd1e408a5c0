"""The parser of messages, beside dnspython's."""

import ipaddress
import random

import dns.exception
import dns.message
import dns.rdatatype
import dns.rrset
import numpy as np
import pytest

from probes.dns.messages import PAYLOAD, RECORD, parse, texts_of
from tests.unit.probes.dns.packets import TCP, UDP, answer, framed, packets, question, record

NAMES = (
    "example.com",
    "A.Example.COM",
    "x" * 63 + ".org",
    "_sip._tcp.example.net",
    ".",
    "a.b.c.d.e.f.g.h.arpa",
)


def said(records: np.ndarray) -> list[tuple[int, str, int, bool, int]]:
    """Of each message: id, name, type, whether it is an answer, response code."""
    found = parse(records).rows
    texts = texts_of(records[found["packet"]], found)
    return [
        (
            int(row["id"]),
            text,
            int(row["type"]),
            bool(row["is_answer"]),
            int(row["rcode"]),
        )
        for row, text in zip(found, texts, strict=True)
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize("number", [0, 1, 65535])
def test_a_question_is_read(name: str, edns: bool, number: int) -> None:
    wire = question(name, "AAAA", number, edns=edns).to_wire()
    expected = name.lower().rstrip(".") or "."
    assert said(record(wire)) == [(number, expected, 28, False, 0)]


def test_names_that_differ_only_in_case_have_one_hash() -> None:
    wires = [question(name).to_wire() for name in ("WWW.example.com", "www.eXample.com", "www.example.org")]
    first, second, third = parse(packets(*map(record, wires))).rows["name"].tolist()
    assert first == second != third


def test_a_name_has_one_hash_whatever_comes_with_it() -> None:
    alone = parse(record(question("a.example").to_wire())).rows
    longer = parse(
        packets(record(question("a.example").to_wire()), record(question("x" * 60 + ".example").to_wire()))
    )
    for field in ("name", "label"):
        assert alone[field][0] == longer.rows[field][0]


def test_addresses_of_an_answer_are_read_behind_aliases() -> None:
    asked = question("www.example.com")
    made = answer(asked)
    made.answer.append(dns.rrset.from_text("www.example.com.", 300, "IN", "CNAME", "web.example.net."))
    made.answer.append(dns.rrset.from_text("web.example.net.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    found = parse(record(made.to_wire(), out=False))
    assert sorted(ipaddress.ip_address(bytes(one["address"])[12:]).exploded for one in found.addresses) == [
        "192.0.2.1",
        "192.0.2.2",
    ]
    assert found.addresses["ttl"].tolist() == [60, 60]


def test_addresses_of_ipv6_and_names_written_out_are_read() -> None:
    made = answer(question("v6.example.com", "AAAA"), ["2001:db8::1"])
    wire = made.to_wire()
    plain = wire.replace(b"\xc0\x0c", question("v6.example.com").to_wire()[12:-4])  # without compression
    for payload in (wire, plain):
        (found,) = parse(record(payload, out=False)).addresses
        assert bytes(found["address"]) == ipaddress.ip_address("2001:db8::1").packed


def test_truncation_and_response_codes_are_read() -> None:
    wires = [
        answer(question("a.example"), rcode=code, truncated=True).to_wire()
        for code in ("SERVFAIL", "NXDOMAIN")
    ]
    rows = parse(packets(*map(record, wires))).rows
    assert rows["rcode"].tolist() == [2, 3]
    assert rows["truncated"].all()


def test_several_messages_share_a_segment() -> None:
    wires = [question("a.example", kind, number).to_wire() for number, kind in ((7, "A"), (8, "AAAA"))]
    assert [row[0] for row in said(record(framed(*wires), transport=TCP))] == [7, 8]


def test_a_length_may_come_in_a_segment_of_its_own() -> None:
    wire = question("a.example").to_wire()
    segments = packets(record(framed(wire)[:2], transport=TCP), record(wire, transport=TCP))
    assert [row[1] for row in said(segments)] == ["a.example"]


def test_a_segment_that_goes_on_with_an_answer_is_no_message() -> None:
    asked = question("big.example", "TXT")
    made = answer(asked)
    made.answer.append(
        dns.rrset.from_text("big.example.", 60, "IN", "TXT", *(f'"{"x" * 200}{n}"' for n in range(20)))
    )
    stream = framed(made.to_wire())
    segments = [
        record(stream[at : at + 1400], transport=TCP, out=False) for at in range(0, len(stream), 1400)
    ]
    assert len(segments) == 4
    assert [row[1] for row in said(packets(*segments))] == ["big.example"]


def test_a_name_that_points_to_itself_is_refused() -> None:
    header = question("a.example").to_wire()[:12]
    for name in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\x3f" * 300, b"\x80", b"\x01a" * 200):
        found = parse(record(header + name + b"\x00\x01\x00\x01"))
        assert not len(found.rows)
        assert found.bad == 1


def test_an_answer_whose_records_point_in_circles_has_no_addresses() -> None:
    wire = bytearray(answer(question("a.example"), ["192.0.2.1"]).to_wire())
    at = wire.index(b"\xc0\x0c", 12)
    wire[at : at + 2] = (0xC000 | at).to_bytes(2, "big")
    assert len(parse(record(bytes(wire), out=False)).addresses) == 1  # nobody follows it
    wire[at] = 0x80
    assert not len(parse(record(bytes(wire), out=False)).addresses)


def test_what_lies_behind_a_cut_record_is_not_read() -> None:
    many = answer(question("many.example"), [f"192.0.2.{n}" for n in range(60)]).to_wire()
    found = parse(record(many, out=False)).addresses
    assert len(many) > PAYLOAD
    assert len(found) == (PAYLOAD - 30) // 16


def slow(payload: bytes) -> tuple[int, str, int, int, list[str]] | None:
    """What dnspython reads in a message that it takes whole."""
    try:
        made = dns.message.from_wire(
            payload, ignore_trailing=True, one_rr_per_rrset=True, continue_on_error=False
        )
        name = made.question[0].name.to_text().lower().rstrip(".") or "."
        flags = made.flags
    except (dns.exception.DNSException, ValueError, IndexError, AttributeError):
        return None
    if len(made.question) != 1 or flags & 0x7840:
        return None
    addresses = [
        item.address for one in made.answer if one.rdtype in (1, 28) and one.rdclass == 1 for item in one
    ]
    return made.id, name, int(made.question[0].rdtype), flags & 0xF, addresses


def refused(payload: bytes) -> bool:
    """Whether what dnspython takes is left out: the name asked for points somewhere, or its class is none."""
    asked = dns.message.from_wire(payload, ignore_trailing=True, continue_on_error=True).question[0]
    plain = asked.name.to_wire() or b""
    return payload[12 : 12 + len(plain)] != plain or asked.rdclass & 0x7FFF not in (1, 3, 4, 254, 255)


def _mutated(random_: random.Random, wires: list[bytes]) -> bytes:
    wire = bytearray(random_.choice(wires))
    for _ in range(random_.choice((0, 1, 1, 2, 5, 20))):
        match random_.randrange(4):
            case 0:
                wire[random_.randrange(len(wire))] = random_.choice(
                    (0, 0xC0, 0x0C, 0xFF, random_.randrange(256))
                )
            case 1:
                del wire[random_.randrange(len(wire)) :]
            case 2:
                at = random_.randrange(len(wire))
                wire[at:at] = random_.randbytes(random_.randrange(1, 9))
            case _:
                at = random_.randrange(len(wire))
                wire[at : at + 8] = random_.randbytes(8)
        if not wire:
            break
    return bytes(wire)


def _seeds() -> list[bytes]:
    asked = [question(name, kind, 9, edns=True) for name in NAMES for kind in ("A", "AAAA", "MX")]
    made = [answer(one, ["192.0.2.1", "192.0.2.7"]) for one in asked[:6]]
    made += [answer(one, ["2001:db8::1"]) for one in asked[:6]]
    return [one.to_wire() for one in (*asked, *made)]


def _fuzzed(count: int) -> list[bytes]:
    random_, wires = random.Random(7), _seeds()
    whole = [_mutated(random_, wires) for _ in range(count * 9 // 10)]
    return whole + [random_.randbytes(random_.randrange(0, 512)) for _ in range(count - len(whole))]


def test_hostile_packets_are_read_or_left_out() -> None:
    payloads = _fuzzed(100_000)
    for transport in (UDP, TCP):
        records = np.zeros(len(payloads), RECORD)
        records["transport"] = transport
        records["length"] = [len(payload) for payload in payloads]
        records["payload"] = np.frombuffer(
            b"".join(one[:PAYLOAD].ljust(PAYLOAD, b"\x01") for one in payloads), f"V{PAYLOAD}"
        )
        found = [parse(records[at : at + 2000]) for at in range(0, len(records), 2000)]
        assert sum(len(one.rows) for one in found) > 0
        assert all((one.rows["name_end"] < PAYLOAD).all() for one in found)


def test_whatever_dnspython_takes_is_read_alike() -> None:
    payloads = [one for one in _fuzzed(8000) if len(one) <= PAYLOAD]
    records = packets(*map(record, payloads))
    found = parse(records)
    texts = texts_of(records[found.rows["packet"]], found.rows)
    mine = {int(row["packet"]): (place, row) for place, row in enumerate(found.rows)}
    compared = 0
    for place, payload in enumerate(payloads):
        expected = slow(payload)
        if expected is None or not payload:
            continue
        if place not in mine:
            assert refused(payload)
            continue
        number, row = mine[place]
        assert (int(row["id"]), int(row["type"]), int(row["rcode"]) & 15) == (
            expected[0],
            expected[2],
            expected[3],
        )
        if expected[1].isascii() and "\\" not in expected[1]:
            assert texts[number] == expected[1]
        addresses = [
            ipaddress.ip_address(
                bytes(one["address"])[12:] if one["type"] == 1 else bytes(one["address"])
            ).compressed
            for one in found.addresses[found.addresses["message"] == number]
        ]
        if row["is_answer"] and row["answers"]:
            assert sorted(addresses) == sorted(ipaddress.ip_address(one).compressed for one in expected[4])
        compared += 1
    assert compared > 1000


@pytest.mark.parametrize(("rcode", "number"), [("BADVERS", 16), ("BADCOOKIE", 23), ("REFUSED", 5)])
def test_response_codes_above_15_are_read(rcode: str, number: int) -> None:
    replied = answer(question("a.example", edns=True), rcode=rcode)
    assert [one[4] for one in said(record(replied.to_wire()))] == [number]
