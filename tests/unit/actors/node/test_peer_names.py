"""Names of peers: those for which whoever calls was told the address before, each connection its own, for good."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from actors.node.answers import EVENT, LEAST_NS, SHARED_NS
from actors.node.dns_names import DnsNames
from actors.node.peer_names import PeerNames
from actors.node.rows import PROGRAM, STARTED
from model.addresses import address_bytes
from model.arrays import Columns
from model.clock import SECOND_NS
from model.kinds.delta import NO_SLOT, NameEvidence, Role
from model.ledger import Stage
from probes.kernel.layout import structs

SLOTS = 16
ADDRESS = "192.0.2.7"
HASHES = {"a.example": 11, "b.example": 12, "c.example": 13}
NOTHING = ("", NameEvidence.NONE, False)


@dataclass(frozen=True)
class Process:
    """Who asks and calls."""

    pid: int
    cgroup: int = 100
    netns: int = 1
    began: int = 5

    @property
    def program(self) -> int:
        """As ``struct owner`` has it."""
        return self.began << 8


SHELL, WORKER, OTHER_POD = Process(10), Process(11), Process(20, 200, 2)
NEIGHBOUR = Process(12, 300)


def text_events(name: str, key: int, part: int = 208) -> np.ndarray:
    """The text of a name, in parts."""
    pieces = [name[begin : begin + part] for begin in range(0, len(name), part)]
    events = np.zeros(len(pieces), structs("dns")["dns_name_event"])
    events["name"], events["parts"], events["part"] = key, len(pieces), np.arange(len(pieces))
    events["text"], events["length"] = [piece.encode() for piece in pieces], list(map(len, pieces))
    return events


def answer(who: Process, name: str, at_s: float, *, address: str = ADDRESS, ttl: int = 30) -> np.ndarray:
    """That a process got at a time."""
    event = np.zeros(1, EVENT)
    event["header"]["at_ns"] = int(at_s * SECOND_NS)
    event["tgid"], event["program"], event["cgroup_id"] = who.pid, who.program, who.cgroup
    event["netns"], event["ttl"], event["name"] = who.netns, ttl, HASHES.get(name, 1)
    event["address"] = np.void(address_bytes(address))
    return event


@dataclass(frozen=True)
class Socket:
    """A row."""

    who: Process
    started_s: float
    slot: int = 3
    generation: int = 1
    role: Role = Role.CLIENT
    adopted: int = 0
    address: str = ADDRESS


def columns(sockets: Sequence[Socket]) -> Columns:
    """Their rows."""
    return {
        "socket.slot": np.array([each.slot for each in sockets], "<u4"),
        "socket.generation": np.array([each.generation for each in sockets], "<u4"),
        "process.pid": np.array([each.who.pid for each in sockets], "<u4"),
        PROGRAM: np.array([each.who.program for each in sockets], "<u8"),
        STARTED: np.array([int(each.started_s * SECOND_NS) for each in sockets], "<u8"),
        "cgroup.id": np.array([each.who.cgroup for each in sockets], "<u8"),
        "netns.id": np.array([each.who.netns for each in sockets], "<u4"),
        "network.peer.address": np.array([address_bytes(each.address) for each in sockets], "V16"),
        "connection.role": np.array([each.role for each in sockets], "<u1"),
        "connection.adopted": np.array([each.adopted for each in sockets], "<u1"),
    }


class Node:
    """What is known of names on a node.

    :param limit: answers kept.
    """

    def __init__(self, limit: int = 1000, names: int = 1000) -> None:
        self.stage = Stage("answers")
        texts = DnsNames()
        for name, key in HASHES.items():
            texts.learn(text_events(name, key))
        self.names = PeerNames(SLOTS, self.stage, texts, names, limit)

    def learn(self, *events: np.ndarray) -> None:
        """Answers that come in one frame."""
        self.names.answers.learn(np.concatenate(events))

    def rows(self, *sockets: Socket, open_: int = 1) -> list[tuple[str, NameEvidence, bool]]:
        """Name, evidence and doubt of each row."""
        rows = columns(sockets)
        table = self.names.fill(rows, np.full(SLOTS, open_, np.uint32))
        assert table[0] == ""
        return [
            (table[number], NameEvidence(code), bool(doubt))
            for number, code, doubt in zip(
                rows["peer.name.index"].tolist(),
                rows["peer.name.evidence"].tolist(),
                rows["peer.name.ambiguous"].tolist(),
                strict=True,
            )
        ]


def test_two_processes_with_two_names_for_one_address_have_each_its_own() -> None:
    """Though both are in the same container, and both were answered before either called."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1), answer(WORKER, "b.example", 2))
    assert node.rows(Socket(SHELL, 3, 1), Socket(WORKER, 3, 2)) == [
        ("a.example", NameEvidence.PROCESS, False),
        ("b.example", NameEvidence.PROCESS, False),
    ]


def test_the_latest_answer_before_the_call_counts() -> None:
    """Also where later ones came in the same second; what came before is forgotten by none of them."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1, ttl=1), answer(SHELL, "b.example", 10, ttl=1))
    node.learn(answer(SHELL, "a.example", 20, ttl=1))
    sockets = [Socket(SHELL, at, slot) for slot, at in enumerate((0.5, 1.5, 10, 19.9, 20.0001))]
    assert [name for name, *_ in node.rows(*sockets)] == ["", "a.example", *["b.example"] * 2, "a.example"]


def test_a_connection_keeps_its_name_whatever_is_answered_later() -> None:
    """Later connections have the later one, and one of a slot that changed hands has its own."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1))
    assert node.rows(Socket(SHELL, 2)) == [("a.example", NameEvidence.PROCESS, False)]
    node.learn(answer(SHELL, "b.example", 60))
    assert node.rows(Socket(SHELL, 2), Socket(SHELL, 61, generation=2))[0][0] == "a.example"
    assert node.rows(Socket(SHELL, 61, generation=2)) == [("b.example", NameEvidence.PROCESS, False)]
    assert node.rows(Socket(SHELL, 2, generation=1), Socket(SHELL, 61, generation=2))[1][0] == "b.example"


def test_a_connection_without_an_answer_stays_without() -> None:
    """What its process asks later says nothing of it."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 5))
    assert node.rows(Socket(SHELL, 2)) == [NOTHING]
    assert node.rows(Socket(SHELL, 2)) == [NOTHING]


def test_whose_answer_counts() -> None:
    """The own process's, even if older; then that of its container; then that of its namespace; no other's."""
    node = Node()
    node.learn(answer(WORKER, "b.example", 2), answer(NEIGHBOUR, "c.example", 3))
    node.learn(answer(SHELL, "a.example", 1))
    forked, alone = Process(13), Process(14, 400)
    assert node.rows(
        *(Socket(who, 4, slot) for slot, who in enumerate((SHELL, forked, alone, OTHER_POD)))
    ) == [
        ("a.example", NameEvidence.PROCESS, False),
        ("b.example", NameEvidence.CONTAINER, True),
        ("c.example", NameEvidence.NAMESPACE, True),
        NOTHING,
    ]


def test_the_root_cgroup_is_no_container() -> None:
    """Where nothing divides processes all that is known is the namespace."""
    node = Node()
    node.learn(answer(Process(10, cgroup=1), "a.example", 1))
    assert node.rows(Socket(Process(11, cgroup=1), 2)) == [("a.example", NameEvidence.NAMESPACE, False)]


def test_a_pid_that_is_used_again_is_another_process() -> None:
    """What executed another program is the same."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1))
    again = Process(SHELL.pid, began=99)
    assert node.rows(Socket(again, 2))[0][1] == NameEvidence.CONTAINER
    rows = columns([Socket(SHELL, 2, 4)])
    rows[PROGRAM] = np.add(rows[PROGRAM], np.uint64(3))
    node.names.fill(rows, np.ones(SLOTS, np.uint32))
    assert rows["peer.name.evidence"].tolist() == [NameEvidence.PROCESS]


@pytest.mark.parametrize(("between_s", "doubt"), [(1, True), (31, True), (33, False)])
def test_several_names_within_their_time_are_ambiguous(between_s: float, doubt: bool) -> None:
    """The later one stands there; when the other's time to live is over there is no doubt."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1, ttl=32), answer(SHELL, "b.example", 1.5))
    assert node.rows(Socket(SHELL, 1 + between_s)) == [("b.example", NameEvidence.PROCESS, doubt)]


def test_an_answer_that_lives_for_no_time_still_fits_for_a_moment() -> None:
    """Programs connect some time after they asked."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1, ttl=0), answer(SHELL, "b.example", 2, ttl=0))
    last = 1 + LEAST_NS / SECOND_NS
    doubts = [doubt for *_, doubt in node.rows(Socket(SHELL, last, 1), Socket(SHELL, last + 0.1, 2))]
    assert doubts == [True, False]


def test_the_answer_of_a_stranger_does_not_last() -> None:
    """A process may use its own for as long as it likes; an old one of another of its namespace names nothing."""
    node = Node()
    node.learn(answer(NEIGHBOUR, "a.example", 1))
    late = 1.5 + SHARED_NS / SECOND_NS
    found = node.rows(Socket(NEIGHBOUR, late, 1), Socket(SHELL, late, 2), Socket(SHELL, late - 1, 3))
    assert [evidence for _, evidence, _ in found] == [
        NameEvidence.PROCESS,
        NameEvidence.NONE,
        NameEvidence.NAMESPACE,
    ]


def test_servers_and_what_was_open_before_have_no_name() -> None:
    """Nor has another address, nor a name that is not kept apart from others."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1), answer(SHELL, "one of many", 1, address="192.0.2.8"))
    assert (
        node.rows(
            Socket(SHELL, 2, 1, role=Role.SERVER),
            Socket(SHELL, 2, 2, adopted=1),
            Socket(SHELL, 2, 3, address="192.0.2.9"),
            Socket(SHELL, 2, 4, address="192.0.2.8"),
        )
        == [NOTHING] * 4
    )


def test_a_socket_without_a_slot_has_its_name() -> None:
    """It is told of once."""
    node = Node()
    node.learn(answer(SHELL, "a.example", 1, address="2001:db8::7"))
    found = node.rows(Socket(SHELL, 2, NO_SLOT, address="2001:db8::7"))
    assert found == [("a.example", NameEvidence.PROCESS, False)]


def test_an_answer_that_comes_again_takes_one_place() -> None:
    """And is known from its first time on."""
    node = Node()
    for at_s in range(1, 50):
        node.learn(answer(SHELL, "a.example", at_s))
        node.rows(Socket(SHELL, at_s + 0.5, generation=at_s))
    assert len(node.names.answers) == 2  # the last two: those of one second stand apart
    assert node.rows(Socket(SHELL, 7, 5)) == [("a.example", NameEvidence.PROCESS, False)]
    assert node.stage.balanced
    assert node.stage.received == 49


def test_what_was_of_use_longest_ago_makes_room() -> None:
    """What names connections stays, and what goes is counted."""
    node = Node(limit=8)
    node.learn(answer(SHELL, "a.example", 1))
    for number in range(40):
        node.learn(answer(WORKER, "b.example", 10 + number, address=f"198.51.100.{number}"))
        assert node.rows(Socket(SHELL, 10.5 + number, generation=number + 1))[0][0] == "a.example"
    assert len(node.names.answers) <= 8
    assert node.stage.noted["evicted"] == 41 - len(node.names.answers)


def test_more_answers_in_a_second_than_are_kept() -> None:
    """The last ones are there."""
    node = Node(limit=8)
    node.learn(*(answer(WORKER, "b.example", 1, address=f"198.51.100.{number}") for number in range(40)))
    found = node.rows(*(Socket(WORKER, 2, slot, address=f"198.51.100.{30 + slot}") for slot in range(10)))
    assert [name for name, *_ in found] == [""] * 2 + ["b.example"] * 8
    assert node.stage.noted["evicted"] == 32


def test_names_of_sockets_that_ended_are_given_up() -> None:
    """An open one keeps its name at the limit."""
    node = Node(names=4)
    node.learn(*(answer(SHELL, name, at) for at, name in enumerate(HASHES, 1)))
    assert [node.rows(Socket(SHELL, at, at))[0][0] for at in (1, 2, 3)] == list(HASHES)
    assert node.rows(Socket(SHELL, 1, 1), Socket(SHELL, 9, 5, 2))[0][0] == "a.example"
    assert node.rows(Socket(SHELL, 9, 5, 2), open_=2)[0][0] == "c.example"
    assert node.stage.noted["name_table_full"] == 0


def test_a_long_name_comes_in_parts() -> None:
    """In any order; before it is whole it is not known."""
    texts = DnsNames(limit=1)
    name = ".".join(["label" * 8] * 6)
    first, second = text_events(name, 99)
    texts.learn(np.array([second]))
    assert texts.get(99) is None
    texts.learn(np.array([first]))
    assert texts.get(99) == name
    texts.learn(text_events("another", 100))
    assert (texts.get(100), texts.refused, texts.get(1)) == (None, 1, "")
