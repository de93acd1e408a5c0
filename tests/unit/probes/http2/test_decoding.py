"""Header blocks decoded in columns say what PyPI's hpack encoded, or that they are unknown."""

import random
from typing import Final, NamedTuple

import numpy as np
import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.http2.blocks import WAYS, BlockAssembly
from probes.http2.fields import Content, Field
from probes.http2.literals import LiteralValues
from probes.http2.tables import Decoded, DynamicTables
from probes.http2.texts import ToldTexts
from probes.kernel.layout import enums
from tests.unit.probes.http2.frames import Header, encoded, headers, joined, odd_frames

METHODS: Final = enums("http")["http_method"]
DIRECTIONS: Final = 64


class Decoder:
    """What decodes, with the texts that were told."""

    def __init__(self) -> None:
        self._texts = ToldTexts(1 << 20)
        self._assembly = BlockAssembly(DIRECTIONS)
        self._tables = DynamicTables(DIRECTIONS, LiteralValues(self._texts, hosts=True))
        self.told = {0: ""}

    def take(self, records: np.ndarray) -> tuple[np.ndarray, Decoded]:
        """The streams of blocks that are whole, and what they say; a direction is a slot and its way."""
        records = np.concatenate((self._assembly.waiting, records))
        direction = records["slot"].astype(np.int64) * 2 + (records["way"] & WAYS["HTTP2_SENT"])
        order = np.argsort(direction, kind="stable")
        blocks = self._assembly.take(records[order], direction[order])
        decoded = self._tables.decode(blocks)
        for event in self._texts.events():
            self.told[int(event["hash"])] = event["text"].decode()
        return records[order]["stream"][blocks.first], decoded

    def said(self, decoded: Decoded, block: int) -> "Said":
        """What one block says."""
        values = [int(value) for value in decoded.values[:, block]]
        return Said(
            values[Field.METHOD] - 1,
            self.told[values[Field.PATH]],
            values[Field.STATUS],
            values[Field.GRPC_STATUS] - 1,
            self.told[values[Field.HOST]],
            values[Field.CONTENT_TYPE],
        )


class Said(NamedTuple):
    """Of a block; -1, 0 and empty: not there."""

    method: int
    path: str
    status: int
    grpc_status: int
    host: str
    content: int


def expected(fields: list[Header]) -> Said:
    """What these fields say; ids of the tests' paths are folded."""
    named = dict(fields)
    path = named.get(":path", "").partition("?")[0]
    *parts, last = path.split("/")
    content = named.get("content-type", "")
    return Said(
        METHODS.get("METHOD_" + named.get(":method", ""), -1),
        "/".join([*parts, "*" if any(map(str.isdigit, last)) else last]),
        int(named.get(":status", 0)),
        int(named.get("grpc-status", -1)),
        named.get(":authority", ""),
        (Content.GRPC if content.startswith("application/grpc") else Content.OTHER) if content else 0,
    )


def some_fields(chance: random.Random, *, asks: bool) -> list[Header]:
    """A request's or an answer's."""
    number = chance.randrange(10 ** chance.randrange(1, 9))
    if asks:
        paths = ["/", "/a/b", "/index.html", f"/item/{number}?q={'x' * chance.randrange(90)}"]
        fields = [
            (":method", chance.choice(["GET", "POST", "PUT", "DELETE"])),
            (":path", chance.choice(paths)),
            (":scheme", "http"),
            (":authority", chance.choice(["localhost", "shop.example:8443"])),
        ]
    else:
        fields = [(":status", chance.choice(["200", "404", "503", "418", "500"]))]
    others = [
        ("traceparent", f"{chance.getrandbits(128):032x}"),
        ("cookie", "c" * chance.randrange(300)),
        ("user-agent", "x"),
        (f"x-{chance.randrange(200)}", "v"),
        ("grpc-status", str(chance.randrange(17))),
        ("content-type", chance.choice(["text/html", "application/grpc", "application/grpc+proto"])),
        ("odd", "\\<`~\x7f\xff" * chance.randrange(5)),
    ]
    return fields + chance.sample(others, k=chance.randrange(6))


@pytest.mark.parametrize("seed", range(2))
def test_blocks_say_what_was_encoded(seed: int) -> None:
    """20,000 of 16 directions, whatever the frames, the table's size and where turns end."""
    chance = random.Random(seed)
    encoders = {(slot, sent): Encoder() for slot in range(1, 9) for sent in (0, 1)}
    truth: dict[int, Said] = {}
    records = []
    for stream in range(1, 10_001):
        slot, sent = chance.choice(list(encoders))
        if chance.random() < 0.004:
            encoders[slot, sent].header_table_size = chance.choice([0, 128, 4096, 6000])
        fields = some_fields(chance, asks=bool(sent))
        truth[stream] = expected(fields)
        block = encoded(encoders[slot, sent], fields, chance)
        records += odd_frames(chance, block, WAYS["HTTP2_SENT"] * sent, slot=slot, stream=stream)
    whole, decoder = joined(records), Decoder()
    at, seen = 0, 0
    while at < len(whole):
        turn = chance.choice([1, 5, 50, 700, 5000])
        streams, decoded = decoder.take(whole[at : at + turn])
        at += turn
        seen += len(streams)
        assert not decoded.unknown.any()
        for place, stream in enumerate(streams.tolist()):
            assert decoder.said(decoded, place) == truth[stream]
    assert seen == len(truth)


VALUES: Final = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
FIELDS: Final = st.one_of(
    st.tuples(st.just(":status"), st.integers(100, 999).map(str)),
    st.tuples(st.just("grpc-status"), st.integers(0, 254).map(str)),
    st.tuples(st.just(":authority"), st.text("abc.:1", min_size=1)),
    st.tuples(st.just("content-type"), st.sampled_from(["application/grpc", "text/plain"])),
    st.tuples(st.sampled_from(["x", "cookie", "grpc-statu", "accept", ":scheme"]), VALUES),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(FIELDS, max_size=8), max_size=30), st.booleans(), st.integers(0, 400))
def test_any_fields_of_any_blocks_are_known(blocks: list[list[Header]], huffman: bool, size: int) -> None:
    """The last of a name in each block, whatever the size of the table."""
    encoder, decoder = Encoder(), Decoder()
    encoder.header_table_size = size
    records = [
        part
        for number, fields in enumerate(blocks)
        for part in headers(encoder.encode(fields, huffman=huffman), stream=number)
    ]
    streams, decoded = decoder.take(joined(records))
    assert streams.tolist() == list(range(len(blocks)))
    assert not decoded.unknown.any()
    assert [decoder.said(decoded, place) for place in range(len(blocks))] == list(map(expected, blocks))
