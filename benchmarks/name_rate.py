"""New connections per second of processor time that get the name of their peer, with a full table of answers."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from actors.node.answers import ANSWERS, EVENT
from actors.node.dns_names import DnsNames
from actors.node.peer_names import PeerNames
from actors.node.rows import PROGRAM, STARTED
from benchmarks.children import alone
from benchmarks.figure import Bar, Reading
from benchmarks.join_rate import SOCKETS, medians, timed
from model.arrays import Columns
from model.clock import SECOND_NS
from model.kinds.delta import NameEvidence, Role
from model.ledger import Stage
from probes.kernel.layout import structs

#: Processes that ask, names that they ask for, and answers and connections of a second.
PROCESSES: Final = 400
NAMES: Final = 5000
ANSWERED: Final = 5000
OPENED: Final = 10_000
WINDOWS: Final = 9


def addresses(numbers: np.ndarray) -> np.ndarray:
    """One for each number, IPv4-mapped."""
    made = np.zeros((len(numbers), 4), ">u4")
    made[:, 2], made[:, 3] = 0xFFFF, 0xCB000000 + numbers
    found: np.ndarray = made.view("V16").reshape(-1)
    return found


def answers(numbers: np.ndarray, at_ns: int) -> np.ndarray:
    """Each of a process for an address, by a number."""
    events = np.zeros(len(numbers), EVENT)
    events["header"]["at_ns"] = at_ns
    events["tgid"], events["netns"], events["ttl"] = 1 + numbers % PROCESSES, 1, 60
    events["cgroup_id"], events["name"] = 10 + numbers % PROCESSES, 100 + numbers % NAMES
    events["address"] = addresses(numbers)
    return events


def rows(numbers: np.ndarray, generation: int, at_ns: int, sockets: int) -> Columns:
    """Connections of who was answered, in slots one after the other."""
    slots = (np.arange(len(numbers)) + generation * len(numbers)) % sockets
    return {
        "socket.slot": slots.astype("<u4"),
        "socket.generation": np.full(len(numbers), generation, "<u4"),
        "process.pid": (1 + numbers % PROCESSES).astype("<u4"),
        PROGRAM: np.zeros(len(numbers), "<u8"),
        STARTED: np.full(len(numbers), at_ns, "<u8"),
        "cgroup.id": (10 + numbers % PROCESSES).astype("<u8"),
        "netns.id": np.ones(len(numbers), "<u4"),
        "network.peer.address": addresses(numbers),
        "connection.role": np.full(len(numbers), Role.CLIENT, "<u1"),
        "connection.adopted": np.zeros(len(numbers), "<u1"),
    }


def known_names() -> DnsNames:
    """All texts."""
    texts = DnsNames()
    events = np.zeros(NAMES, structs("dns")["dns_name_event"])
    events["name"], events["parts"] = 100 + np.arange(NAMES), 1
    events["text"] = [f"host-{number}.example.com".encode() for number in range(NAMES)]
    events["length"] = np.char.str_len(events["text"])
    texts.learn(events)
    return texts


def filled() -> tuple[PeerNames, np.random.Generator]:
    """A full table."""
    names, random = PeerNames(SOCKETS, Stage("answers"), known_names()), np.random.default_rng(1)
    names.answers.learn(answers(np.arange(ANSWERS), SECOND_NS))
    return names, random


def opened(count: int) -> float:
    """Seconds of processor time to name a second's new connections, while answers come."""
    (names, random), open_ = filled(), np.zeros(SOCKETS, np.uint32)

    def second(window: int) -> float:
        at_ns = (window + 2) * SECOND_NS
        new = answers(random.integers(0, ANSWERS, ANSWERED), at_ns)
        columns = rows(random.integers(0, ANSWERS, count), window + 1, at_ns + 1, SOCKETS)

        def work() -> None:
            names.answers.learn(new)
            names.fill(columns, open_)

        seconds = timed(work)
        assert (columns["peer.name.evidence"] == NameEvidence.PROCESS).mean() > 0.8
        return seconds

    return medians(second, WINDOWS)


def lasting(count: int) -> float:
    """Seconds of processor time for rows of open connections whose names are known."""
    (names, _), open_ = filled(), np.zeros(SOCKETS, np.uint32)
    columns = rows(np.arange(count) % ANSWERS, 1, 2 * SECOND_NS, SOCKETS)
    names.fill(columns, open_)
    return medians(lambda _: timed(lambda: names.fill(columns, open_)), WINDOWS)


def opened_rows(count: int) -> float:
    """The peer: a dictionary of what each process was told, written and asked row by row; it knows no time."""
    random, table = np.random.default_rng(1), {}

    def second(window: int) -> float:
        new = answers(random.integers(0, ANSWERS, ANSWERED), window)
        columns = rows(random.integers(0, ANSWERS, count), 1, window, SOCKETS)

        def work() -> None:
            told = zip(new["tgid"].tolist(), new["address"].tolist(), new["name"].tolist(), strict=True)
            for pid, address, name in told:
                table[pid, address] = name
            pairs = zip(
                columns["process.pid"].tolist(), columns["network.peer.address"].tolist(), strict=True
            )
            for pair in pairs:
                table.get(pair)

        return timed(work)

    return medians(second, WINDOWS)


def measure() -> Iterator[Reading]:
    """New connections, and rows of open ones, named per second of processor time."""
    mine, peer = (OPENED / alone(work, OPENED) for work in (opened, opened_rows))
    note = f"{OPENED:,} new connections and {ANSWERED:,} answers a second, {ANSWERS:,} answers known"
    yield Reading(mine, "rows/s", Bar(at_least=2e5), "dictionary per row, without time", peer, "more", note)
    known = SOCKETS / alone(lasting, SOCKETS)
    yield Reading(known, "rows/s", Bar(at_least=1e7), note=f"{SOCKETS:,} rows of open connections")
