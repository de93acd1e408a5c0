"""A feed of DNS beside a kernel that tests write: what its rings and tables hold, and the clock."""

import time
from typing import Any

import dns.message
import numpy as np
import pytest

from model.clock import SECOND_NS
from probes.dns.config import QueriesConfig
from probes.dns.feed import DnsFeed
from probes.dns.maps import ASKED, CELL, CELL_KEY, QUESTION, TOLD
from probes.kernel.layout import enums, structs
from probes.kernel.namespaces import ChosenNamespaces
from tests.unit.probes.dns.packets import answer, record

KINDS = enums("dns")["dns_event"]
NO_ANSWER = enums("dns")["dns_rcode"]["RCODE_NO_ANSWER"]
SLOTS = 100
MS = 1_000_000


class Scripted:
    """Records that tests put there.

    :param empty: an array of them without any.
    """

    def __init__(self, empty: np.ndarray) -> None:
        self._empty = empty
        self.records: list[np.ndarray] = []

    def waiting(self) -> int:
        return sum(map(len, self.records))

    def peek(self) -> np.ndarray:
        return np.concatenate([self._empty, *self.records])

    def release(self) -> None:
        self.records = []

    def read(self) -> np.ndarray:
        found = self.peek()
        self.release()
        return found


class Kernel:
    """What the kernel would tell."""

    def __init__(self) -> None:
        self.packets = Scripted(record(b"")[:0])
        self.exchanges = Scripted(np.zeros(0, TOLD))
        self.asked = np.zeros(0, QUESTION), np.zeros(0, ASKED)
        self.grown = np.zeros(0, CELL_KEY), np.zeros(0, CELL)
        self.counts = {"messages": 9, "over_rate": 0, "ring_full": 2}
        self.forgotten: list[int] = []

    def tallies(self) -> dict[str, int]:
        return self.counts

    def questions(self) -> tuple[np.ndarray, np.ndarray]:
        return self.asked

    def end(self, questions: np.ndarray) -> np.ndarray:
        return np.ones(len(questions), np.bool_)

    def forget(self, names: np.ndarray) -> None:
        self.forgotten += names.tolist()

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        return self.grown


class Gone:
    """Of which no socket is there any more."""

    def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        return np.zeros(len(slots), np.bool_)


class Bench:
    """A feed, and a clock that it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **config: Any) -> None:
        self.feed = DnsFeed(QueriesConfig(**config), ChosenNamespaces([]), SLOTS)
        self.feed.kernel = self.kernel = Kernel()
        self.packets = self.kernel.packets
        self.now_ns = 1000 * SECOND_NS
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.now_ns)
        self.texts: dict[int, str] = {}

    def ask(self, made: dns.message.Message, after_ms: int = 0, **fields: int) -> None:
        self.packets.records.append(record(made.to_wire(), at_ns=self.now_ns + after_ms * MS, **fields))

    def exchange(
        self,
        asked: dns.message.Message,
        after_ms: int = 0,
        took_ms: int = 1,
        rcode: str = "NOERROR",
        **fields: int,
    ) -> None:
        addresses = ["192.0.2.1"] if rcode == "NOERROR" else []
        self.ask(asked, after_ms, **fields)
        self.ask(answer(asked, addresses, rcode), after_ms + took_ms, out=False, **fields)

    def second(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The next second's names, addresses and queries."""
        self.now_ns += SECOND_NS
        self.feed.notice(np.zeros(0))
        events = self.feed.events()
        kinds = events["header"]["kind"]
        of = [
            np.ascontiguousarray(events[kinds == KINDS[kind]])
            for kind in ("KIND_DNS_NAME", "KIND_DNS_ANSWER", "KIND_QUERIES")
        ]
        names = of[0].view(structs("dns")["dns_name_event"])
        texts: dict[int, str] = {}
        for one in names:
            texts[int(one["name"])] = texts.get(int(one["name"]), "") + one["text"].decode()
        self.texts |= texts
        return (
            sorted(texts.values()),
            of[1].view(structs("dns")["answer_event"]),
            of[2].view(structs("dns")["query_cell"]),
        )

    def name(self, hashed: int) -> str:
        return self.texts[int(hashed)]
