"""Counts of engines as bytes."""

import zlib
from dataclasses import replace

import msgpack
import numpy as np
import pytest

from actors.trouble.counted import Counted, CountedRows, decoded, encoded

ENDS = [("", "other"), *((f"name-{number}", "Deployment", "shop", "a", "v1") for number in range(50))]
WHATS = [("80", "", ""), ("443", "GET", "/cart/*")]
MOST = 1 << 20


def rows(count: int) -> CountedRows:
    chance = np.random.default_rng(count)
    counts = chance.poisson(0.3, (count, 19)) * chance.choice([1, 300, 70_000, 1 << 33], 19)
    counts[:, 5] = 0
    return CountedRows(
        chance.integers(0, 51, count), chance.integers(0, 51, count), chance.integers(0, 2, count),
        counts.astype(np.float32),
    )  # fmt: skip


def counted(connections: int, requests: int) -> Counted:
    said = {"n1": False, "n2": True}
    return Counted(7, True, ["failed"], said, ENDS, WHATS, rows(connections), rows(requests))


def told(parts: list[Counted]) -> list[tuple[object, ...]]:
    """Rows with all that they point to."""
    return [
        (kind, part.ends[client], part.ends[server], part.whats[what], counts)
        for part in parts
        for kind, each in enumerate((part.connections, part.requests))
        for client, server, what, counts in zip(
            each.client, each.server, each.what, each.counts.tolist(), strict=True
        )
    ]


def test_what_is_sent_is_what_arrives() -> None:
    sent = counted(300, 40)
    (data,) = encoded(sent, MOST)
    came = decoded(data)
    assert told([came]) == told([sent])
    assert (came.tick, came.complete, came.names, came.said) == (7, True, ["failed"], sent.said)
    (nothing,) = encoded(counted(0, 0), MOST)
    assert len(decoded(nothing)) == 0
    half = replace(sent, connections=sent.connections._replace(counts=sent.connections.counts / 4))
    assert told([decoded(*encoded(half, MOST))]) == told([half]), "parts of ones are kept, too"


def test_what_no_message_holds_is_sent_in_parts() -> None:
    sent = counted(300, 40)
    messages = encoded(sent, 2000)
    parts = list(map(decoded, messages))
    assert len(parts) > 3
    assert max(map(len, messages)) <= 2000
    assert sorted(told(parts), key=str) == sorted(told([sent]), key=str)
    assert [(part.part, part.parts) for part in parts] == [(at, len(parts)) for at in range(len(parts))]
    assert [part.said for part in parts] == [sent.said, *({} for _ in parts[1:])]
    assert encoded(sent, 100) == []


def changed(**fields: object) -> bytes:
    """Counts that say something else."""
    (data,) = encoded(counted(3, 0), MOST)
    return zlib.compress(msgpack.packb(msgpack.unpackb(zlib.decompress(data)) | fields))


@pytest.mark.parametrize(
    "broken",
    [b"", b"x", zlib.compress(b"x"), changed(v=2), changed(tick=None), changed(ends=[]), changed(rows=[])],
)
def test_other_bytes_are_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"no counts|of version|shorter|values to unpack"):
        decoded(broken)
