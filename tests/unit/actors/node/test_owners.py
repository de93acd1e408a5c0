"""Owners of sockets: each process is asked for once, and again when an answer may have changed."""

from typing import Any

import numpy as np

from actors.node.owners import Owners
from model.arrays import Columns
from model.enricher import Entity
from model.kinds.delta import NO_SLOT
from tests.nat_events import columns_of, socket_row

PATHS = ["", "/web.service", "/db.service"]


class Scripted:
    """Answers what a test wrote, and remembers what it was asked."""

    def __init__(self) -> None:
        self.version = 1
        self.births: dict[int, str] = {}
        self.asked: list[tuple[int, str]] = []

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Nothing."""

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """Of the newest process of that number."""
        self.asked.append((pid, cgroup_path))
        return {"process.creation.time": self.births.get(pid, ""), "systemd.unit": cgroup_path[1:]}


def rows(*owners: tuple[int, int, int, int]) -> Columns:
    """Rows of (slot, generation, pid, number of the path)."""
    made: list[dict[str, Any]] = [
        socket_row(("10.0.0.1", slot % 1000), ("10.0.0.2", 80))
        | {"socket.slot": slot, "socket.generation": generation, "process.pid": pid, "cgroup.index": path}
        for slot, generation, pid, path in owners
    ]
    return columns_of(made)


def named(subject: Owners, columns: Columns, window: int, *programs: int) -> list[str]:
    """Unit and birth of each row's owner.

    :param programs: of the rows; by default one for each pid.
    """
    numbers = np.array(programs, np.uint64) if programs else columns["process.pid"].astype(np.uint64)
    table = subject.identify(columns, numbers, PATHS, window)
    entities = [table[index] for index in columns["entity.index"].tolist()]
    return [entity.get("systemd.unit", "-") + entity.get("process.creation.time", "") for entity in entities]


def test_each_process_is_asked_for_once() -> None:
    """A thousand sockets of two processes are two questions, and none in the next second."""
    who = Scripted()
    subject, columns = (
        Owners(1024, who),
        rows(*((slot, 1, slot % 2 + 5, slot % 2 + 1) for slot in range(1000))),
    )
    assert named(subject, columns, 1)[:3] == ["web.service", "db.service", "web.service"]
    named(subject, columns, 2)
    assert sorted(who.asked) == [(5, "/web.service"), (6, "/db.service")]


def test_an_open_socket_keeps_its_owner_when_the_pid_is_used_again() -> None:
    """The old socket's owner was born before; a new socket of the same number belongs to the later process."""
    who = Scripted()
    subject = Owners(8, who)
    who.births[5] = "@1"
    named(subject, rows((1, 1, 5, 1)), 1, 100)
    who.births[5] = "@2"
    both = rows((1, 1, 5, 1), (2, 1, 5, 1))
    assert named(subject, both, 2, 100, 200) == ["web.service@1", "web.service@2"]


class ByProgram(Scripted):
    """Knows each program of each process."""

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """Its number."""
        self.asked.append((pid, cgroup_path))
        return {"process.creation.time": f"@{program}", "systemd.unit": cgroup_path[1:]}


def test_processes_of_one_pid_in_one_second_are_told_apart() -> None:
    """Three of them in the same rows, one with two connections; each is asked for once."""
    who = ByProgram()
    columns = rows((1, 1, 5, 1), (2, 1, 5, 1), (NO_SLOT, 7, 5, 1), (3, 1, 5, 1))
    found = named(Owners(8, who), columns, 1, 300, 100, 200, 100)
    assert found == ["web.service@300", "web.service@100", "web.service@200", "web.service@100"]
    assert len(who.asked) == 3


def test_a_process_that_executes_another_program_is_asked_for_again() -> None:
    """The socket and the pid stay: the row has what the process runs now."""
    subject = Owners(8, ByProgram())
    found = [named(subject, rows((1, 1, 5, 1)), second, program) for second, program in ((1, 256), (2, 257))]
    assert found == [["web.service@256"], ["web.service@257"]]


def test_an_answer_that_changes_heals_open_sockets() -> None:
    """What was not known at the first row is there when somebody knows."""
    who = Scripted()
    subject, columns = Owners(8, who), rows((1, 1, 5, 1))
    named(subject, columns, 1)
    who.births[5], who.version = "@9", 2
    assert named(subject, columns, 2) == ["web.service@9"]
    assert len(who.asked) == 2


def test_the_owner_of_an_accepted_socket_changes() -> None:
    """From the listener's to the process that took it."""
    subject = Owners(8, Scripted())
    found = [named(subject, rows((1, 1, pid, path)), 1) for pid, path in ((5, 1), (6, 2))]
    assert found == [["web.service"], ["db.service"]]


def test_nobody_and_sockets_without_a_slot() -> None:
    """A socket of the kernel has no owner; one without a slot has its own."""
    subject = Owners(8, Scripted())
    assert named(subject, rows((1, 1, 0, 0), (NO_SLOT, 7, 5, 1), (NO_SLOT, 8, 6, 2)), 1) == [
        "-",
        "web.service",
        "db.service",
    ]


class Brief(Scripted):
    """Knows processes for as long as they are there, in seconds."""

    def __init__(self, lives: dict[int, tuple[float, float]]) -> None:
        super().__init__()
        self.lives = lives

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """Of a process that is there then."""
        begin, end = self.lives[pid]
        return super().attributes(pid, program, cgroup_path, at_ns) if begin <= at_ns / 1e9 < end else {}


def test_a_process_of_a_moment_is_asked_for_at_its_time() -> None:
    """One that is gone before the second ends is known by when its connection began, or else ended."""
    who = Brief({5: (3.1, 3.4), 6: (3.2, 3.4), 7: (3.1, 3.4), 8: (3.5, 9.0)})
    who.births = {pid: str(pid) for pid in who.lives}
    columns = rows(*((pid, 1, pid, 1) for pid in who.lives))
    columns["connection.opened_at_ns"][:2] = 3_150_000_000  # the second one took over what another had opened
    columns["connection.closed_at_ns"][:3] = 3_300_000_000
    columns["connection.connect_latency_ns"][2] = 100_000_000  # refused
    assert named(Owners(64, who), columns, 3) == [f"web.service{pid}" for pid in who.lives]
