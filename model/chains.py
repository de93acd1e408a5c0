"""Chains of rewrites in columns: what conntrack made of a connection's tuple on its way, one hop after the other."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple, overload

import numpy as np

from model.addresses import address_text
from model.arrays import compacted

#: One tuple, from the caller to the called; addresses as in columns, ports in host order.
HOP: Final = np.dtype(
    [
        ("source_address", "V16"),
        ("destination_address", "V16"),
        ("source_port", "<u2"),
        ("destination_port", "<u2"),
    ]
)

#: Rewrites that are followed at most.
REWRITES: Final = 4


class Hop(NamedTuple):
    """One of the tuples that a connection had on its way; addresses are 16 bytes as in the columns."""

    source_address: bytes
    destination_address: bytes
    source_port: int
    destination_port: int

    def as_dict(self) -> dict[str, str | int]:
        """With dotted names, addresses as text."""
        return {
            "source.address": address_text(self.source_address),
            "source.port": self.source_port,
            "destination.address": address_text(self.destination_address),
            "destination.port": self.destination_port,
        }


_NO_LENGTHS: Final = np.zeros(0, np.uint8)
_NO_HOPS: Final = np.zeros(0, HOP)

#: From the tuple that the client's socket has to the one that the server's has; empty if nothing was rewritten.
Chain = tuple[Hop, ...]


class Chains(Sequence[Chain]):
    """A table of chains. The first is empty: a column that points into it is 0 where nothing was rewritten.

    :param lengths: hops of each chain but the first; shape (m,), uint8.
    :param hops: of all chains, one after the other; ``HOP``.
    """

    def __init__(self, lengths: np.ndarray | None = None, hops: np.ndarray | None = None) -> None:
        self._lengths = _NO_LENGTHS if lengths is None else lengths
        self._hops = _NO_HOPS if hops is None else hops

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where the hops of each chain but the first end."""
        return np.cumsum(self._lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._lengths) + 1

    @overload
    def __getitem__(self, index: int) -> Chain: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Chain]: ...
    def __getitem__(self, index: int | slice) -> Chain | Sequence[Chain]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if index == 0:
            return ()
        return tuple(Hop(*hop) for hop in self.hops(index).tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def first(self, index: np.ndarray) -> np.ndarray:
        """The first hop of each chain that ``index`` (none of them 0) points to; ``HOP``."""
        begins = self._ends[index - 1] - self._lengths[index - 1]
        hops: np.ndarray = self._hops.view("V36")[begins].view(HOP)
        return hops

    def lengths(self, index: np.ndarray) -> np.ndarray:
        """Hops of each chain that ``index`` (none of them 0) points to; uint8."""
        lengths: np.ndarray = self._lengths[index - 1]
        return lengths

    def flat(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The hops of the chains that ``index`` (none of them 0) points to, one chain after the other; ``HOP``.

        :return: where each chain begins, and the end of the last; int64.
        """
        lengths = self._lengths[index - 1].astype(np.int64)
        begins = np.concatenate(([0], np.cumsum(lengths)))
        firsts = self._ends[index - 1] - lengths - begins[:-1]
        places = np.repeat(firsts, lengths) + np.arange(int(begins[-1]))
        return begins, self._hops.view("V36")[places].view(HOP)

    def hops(self, index: int) -> np.ndarray:
        """The hops of one chain (not 0); ``HOP``."""
        end = int(self._ends[index - 1])
        return self._hops[end - int(self._lengths[index - 1]) : end]

    @classmethod
    def of(
        cls, first: np.ndarray, final: np.ndarray, rewrites: np.ndarray, between: Mapping[int, np.ndarray]
    ) -> "Chains":
        """The table of chains that lead from ``first`` to ``final``.

        :param first: ``HOP``; shape (m,); ``final`` alike.
        :param rewrites: of each chain, at least 1.
        :param between: the other hops of those with more than one rewrite, by place.
        """
        lengths = rewrites.astype(np.uint8) + np.uint8(1)
        ends = np.cumsum(lengths, dtype=np.int64)
        hops = np.zeros(int(ends[-1]) if len(ends) else 0, "V36")
        hops[ends - lengths] = first.view("V36")
        hops[ends - 1] = final.view("V36")
        for place, middle in between.items():
            end = int(ends[place])
            hops[end - 1 - len(middle) : end - 1] = middle.view("V36")
        return cls(lengths, hops.view(HOP))

    def extended(self, index: np.ndarray, more: "Chains", further: np.ndarray) -> "Chains":
        """A table of the chains at ``index``, each gone on with the chain of ``more`` that begins where it ends.

        :param index: 0 where there is none yet; shape (m,).
        :param further: into ``more``, none of them 0; shape (m,).
        """
        there = index > 0
        before = np.where(there, self._take(self._lengths, index), 0).astype(np.int64)
        after = more._lengths[further - 1].astype(np.int64) - there
        begins = np.stack(
            (
                np.where(there, self._take(self._ends, index), 0) - before,
                len(self._hops) + more._ends[further - 1] - after,
            ),
            axis=1,
        ).ravel()
        lengths = np.stack((before, after), axis=1).ravel()
        ends = np.cumsum(lengths)
        places = np.repeat(begins - ends + lengths, lengths) + np.arange(int(ends[-1]) if len(ends) else 0)
        hops = np.concatenate((self._hops.view("V36"), more._hops.view("V36")))[places]
        return Chains((before + after).astype(np.uint8), hops.view(HOP))

    @staticmethod
    def _take(column: np.ndarray, index: np.ndarray) -> np.ndarray:
        return column[np.maximum(index, 1) - 1] if len(column) else np.zeros(len(index), column.dtype)

    def used(self, index: np.ndarray) -> tuple[np.ndarray, "Chains"]:
        """``index`` renumbered, and the table of those chains only."""
        if not len(self._lengths) or not index.any():
            return np.zeros(len(index), np.uint32), Chains()
        (renumbered,), old = compacted([index], len(self))
        kept = np.zeros(len(self._lengths), np.bool_)
        kept[old[1:] - 1] = True
        hops = self._hops.view("V36")[np.repeat(kept, self._lengths)].view(HOP)
        return renumbered, Chains(self._lengths[kept], hops)

    @classmethod
    def joined(cls, tables: Sequence["Chains"]) -> tuple["Chains", list[int]]:
        """One table of all, and by how much indices (but 0) into each of them grow."""
        shifts = np.cumsum([0, *(len(table) - 1 for table in tables)])[:-1].tolist()
        if not tables:
            return cls(), []
        lengths = np.concatenate([table._lengths for table in tables])
        hops = np.concatenate([table._hops.view("V36") for table in tables]).view(HOP)
        return cls(lengths, hops), shifts

    def encode(self) -> dict[str, bytes]:
        """As it stands in a message."""
        return {"lengths": self._lengths.tobytes(), "hops": self._hops.view("V36").tobytes()}

    @classmethod
    def decode(cls, message: dict[str, Any]) -> "Chains":
        """What ``encode`` gave.

        :raises ValueError: if lengths and hops disagree.
        """
        if not message.get("lengths") and not message.get("hops"):
            return cls()
        lengths = np.frombuffer(message.get("lengths", b""), np.uint8)
        hops = np.frombuffer(message.get("hops", b""), HOP)
        if int(lengths.sum()) != len(hops):
            raise ValueError(f"chains of {int(lengths.sum())} hops in all, and {len(hops)} hops")
        return cls(lengths, hops)

    @property
    def nbytes(self) -> int:
        """Bytes in a message."""
        return int(self._lengths.nbytes + self._hops.nbytes)
