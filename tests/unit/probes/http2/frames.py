"""Records of frames as the kernel's programs make them, of header blocks that PyPI's hpack encoded."""

import random
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from hpack import Encoder, NeverIndexedHeaderTuple

from probes.http2.blocks import FLAGS, RECORD, TYPES, WAYS

PIECE: Final = RECORD["text"].itemsize
Header = tuple[str, str]


def record(
    kind: str,
    *,
    text: bytes = b"",
    stream: int = 1,
    flags: int = 0,
    way: int = 0,
    slot: int = 1,
    at_ns: int = 0,
) -> np.ndarray:
    """One record; shape (1,)."""
    made = np.zeros(1, RECORD)
    made["type"], made["stream"], made["flags"], made["way"] = TYPES[kind], stream, flags, way
    made["slot"], made["generation"], made["at_ns"], made["length"] = slot, 1, at_ns, len(text)
    made["text"] = np.void(text.ljust(PIECE, b"\0"))
    return made


def pieces(kind: str, payload: bytes, *, piece: int = PIECE, way: int = 0, **fields: int) -> list[np.ndarray]:
    """The records of one frame."""
    cuts = [payload[at : at + piece] for at in range(0, len(payload), piece)] or [b""]
    ways = [way] * len(cuts)
    ways[0] |= WAYS["HTTP2_FIRST"]
    ways[-1] |= WAYS["HTTP2_LAST"]
    return [record(kind, text=cut, way=each, **fields) for cut, each in zip(cuts, ways, strict=True)]


def headers(block: bytes, *, flags: int = 0, way: int = 0, **fields: int) -> list[np.ndarray]:
    """A header block in one frame."""
    whole = flags | FLAGS["HTTP2_END_HEADERS"]
    return pieces("HTTP2_HEADERS", block, flags=whole, way=way, **fields)


def odd_frames(chance: random.Random, block: bytes, way: int, **fields: int) -> list[np.ndarray]:
    """A header block in frames as they may be: CONTINUATION, padding, priority, pieces of any size."""
    cuts = sorted(chance.sample(range(len(block) + 1), k=min(len(block), chance.choice([0, 0, 0, 1, 3]))))
    made = []
    for place, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(block)], strict=True)):
        flags, payload = FLAGS["HTTP2_END_HEADERS"] * (place == len(cuts)), block[begin:end]
        if place == 0 and chance.random() < 0.3:
            flags |= FLAGS["HTTP2_PRIORITY"]
            payload = b"\0\0\0\0\x10" + payload
        if place == 0 and chance.random() < 0.2:
            flags |= FLAGS["HTTP2_PADDED"]
            padding = chance.randrange(40)
            payload = bytes([padding]) + payload + b"\0" * padding
        kind = "HTTP2_CONTINUATION" if place else "HTTP2_HEADERS"
        size = chance.choice([PIECE, PIECE, 7, 20])
        made += pieces(kind, payload, piece=size, way=way, flags=flags, **fields)
    return made


def encoded(encoder: Encoder, fields: Iterable[Header], chance: random.Random) -> bytes:
    """A block with some fields that are never indexed, with Huffman's code or without it."""
    shown = [NeverIndexedHeaderTuple(*field) if chance.random() < 0.1 else field for field in fields]
    block: bytes = encoder.encode(shown, huffman=chance.random() < 0.6)
    return block


def joined(records: Sequence[np.ndarray]) -> np.ndarray:
    """All of them in one array."""
    return np.concatenate([np.zeros(0, RECORD), *records])
