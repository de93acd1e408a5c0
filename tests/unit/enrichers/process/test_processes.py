"""Who a process is: from executions, and from /proc."""

import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from enrichers.process.config import ProcessConfig
from enrichers.process.processes import ProcessEntity, Processes, command_line
from enrichers.process.procfs import COMMAND_BYTES, ProcessFacts, read_process, take_census
from enrichers.process.users import Users
from model.enricher import Entity, KeyKind
from probes.kernel.layout import structs
from tests.eventually import eventually

#: Wall clock minus CLOCK_MONOTONIC.
OFFSET = time.time_ns() - time.monotonic_ns()
SECOND = 1_000_000_000
SLEEP = str(Path("/usr/bin/sleep").resolve())
ME = str(Path("/proc/self/exe").readlink())


def execution(
    pid: int, at_ns: int, *arguments: bytes, executable: bytes = b"", uid: int = 0, program: int | None = None
) -> np.ndarray:
    """A ``struct exec_event``, as the kernel side makes it.

    :param program: as ``struct owner`` numbers it; by default the first of a process that began just before.
    """
    event = np.zeros(1, structs("process")["exec_event"])
    joined = b"".join(argument + b"\0" for argument in arguments)
    event["header"]["at_ns"], event["started_ns"] = at_ns, at_ns - 5
    if program is not None:
        event["started_ns"], event["executions"] = program & ~0xFF, program & 0xFF
    event["pid"], event["uid"], event["executable"] = pid, uid, executable or arguments[0]
    event["arguments"], event["arguments_bytes"] = joined[:128], len(joined)
    return event


def command(entity: Entity | None) -> str | None:
    return entity.get("process.command_line") if entity is not None else None


@contextmanager
def sleeping(*more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing; gone at the end."""
    with subprocess.Popen(["/usr/bin/sleep", "60", *more]) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """An enricher that watches the real /proc closely."""
    passwd = tmp_path / "passwd"
    passwd.write_text("root:x:0:0::/:/bin/sh\nweb:x:4321:4321::/:/bin/sh\nsecond:x:4321:1::/:/bin/sh\n")
    made = Processes(ProcessConfig(), passwd=passwd, census_seconds=0.02)
    await made.start("node-1")
    yield made
    await made.close()


def test_an_execution_tells_who_it_is() -> None:
    """Path, name, command line, beginning and user have their OpenTelemetry names."""
    processes = Processes(ProcessConfig())
    processes.learn(execution(77, 10 * SECOND, b"/usr/bin/env", b"-i", b"a b", uid=54321), 0)
    entity = processes.lookup(KeyKind.PROCESS, "77", 10 * SECOND)
    assert dict(entity or {}) == {
        "process.executable.path": "/usr/bin/env",
        "process.executable.name": "env",
        "process.command_line": "/usr/bin/env -i a b",
        "process.creation.time": "1970-01-01T00:00:10.000Z",
        "process.owner": "54321",
    }


def test_a_pid_that_is_used_again_is_somebody_else() -> None:
    """Each second is answered with who had the pid then; before the first, with nobody."""
    processes = Processes(ProcessConfig())
    for at, name in ((10, b"/bin/first"), (20, b"/bin/second"), (30, b"/bin/third")):
        processes.learn(execution(7, at, name), 100)
    asked = {at: command(processes.lookup(KeyKind.PROCESS, "7", 100 + at)) for at in (9, 10, 19, 20, 99)}
    assert asked == {9: None, 10: "/bin/first", 19: "/bin/first", 20: "/bin/second", 99: "/bin/third"}


def test_secrets_are_masked_unless_they_are_wanted() -> None:
    """By default no password leaves with a command line."""
    event = execution(8, 5, b"/bin/app", b"--password=hunter2")
    shown = []
    for redact in (True, False):
        processes = Processes(ProcessConfig(redact=redact))
        processes.learn(event, 0)
        shown.append(command(processes.lookup(KeyKind.PROCESS, "8", 5)))
    assert shown == ["/bin/app --password=***", "/bin/app --password=hunter2"]


def test_the_version_tells_when_to_ask_again() -> None:
    """A new process changes no answer given; one that was asked for in vain, or runs another program, does."""
    processes = Processes(ProcessConfig())
    processes.learn(execution(1, 10, b"/bin/a"), 0)
    assert processes.version == 0
    processes.learn(execution(1, 20, b"/bin/b"), 0)
    assert processes.version == 1
    processes.lookup(KeyKind.PROCESS, "2", 30)
    processes.learn(execution(2, 30, b"/bin/c"), 0)
    assert processes.version == 2


def test_what_was_cut_says_so() -> None:
    """A cut command line ends in an ellipsis; a cut path is not taken for the path."""
    processes = Processes(ProcessConfig())
    long_path = b"/" + b"d" * 60 + b"/" + b"e" * 60
    processes.learn(execution(3, 10, b"/bin/a", b"x" * 500), 0)
    processes.learn(execution(4, 10, b"app", executable=long_path[:71]), 0)
    processes.learn(execution(5, 10, b"./app", executable=b"./app"), 0)
    third, fourth, fifth = (processes.lookup(KeyKind.PROCESS, pid, 10) or {} for pid in "345")
    assert third["process.command_line"] == "/bin/a " + "x" * 121 + "…"
    assert {name for name in fourth if "executable" in name} == set()
    assert fifth["process.executable.name"] == "./app".removeprefix("./")
    assert "process.executable.path" not in fifth


@pytest.mark.parametrize("path", [b"/proc/self/exe", b"/proc/77/exe", b"/dev/fd/3", b"/proc/self/fd/3"])
async def test_a_link_to_a_program_is_not_taken_for_the_program(processes: Processes, path: bytes) -> None:
    """It has no name until /proc says what runs."""
    with sleeping() as sleeper:
        await eventually(lambda: read_process(sleeper.pid) is not None)
        facts = read_process(sleeper.pid)
        assert facts is not None
        began, program = time.monotonic_ns(), (facts.started_ns + facts.spread_ns // 2) & ~0xFF
        processes.learn(
            execution(sleeper.pid, began, b"/usr/bin/sleep", b"60", executable=path, program=program), OFFSET
        )
        at, pid = began + OFFSET, str(sleeper.pid)
        first = processes.lookup(KeyKind.PROCESS, pid, at) or {}
        assert {name for name in first if "executable" in name} == set()
        await eventually(
            lambda: "process.executable.path" in (processes.lookup(KeyKind.PROCESS, pid, at) or {})
        )
        entity = processes.lookup(KeyKind.PROCESS, pid, at) or {}
    assert (entity["process.executable.path"], entity["process.executable.name"]) == (SLEEP, Path(SLEEP).name)


async def test_what_was_cut_is_completed_while_the_process_lives(processes: Processes) -> None:
    """A long command line is read from /proc, and keeps the beginning that the kernel told."""
    with sleeping(*["0"] * 100) as sleeper:
        await eventually(lambda: read_process(sleeper.pid) is not None)
        facts = read_process(sleeper.pid)
        assert facts is not None
        began, program = time.monotonic_ns(), (facts.started_ns + facts.spread_ns // 2) & ~0xFF
        arguments = (b"/usr/bin/sleep", b"60", *[b"0"] * 100)
        processes.learn(
            execution(sleeper.pid, began, *arguments, executable=b"sleep", program=program), OFFSET
        )
        at, pid = began + OFFSET, str(sleeper.pid)
        await eventually(lambda: (command(processes.lookup(KeyKind.PROCESS, pid, at)) or "…")[-1] != "…")
        entity = processes.lookup(KeyKind.PROCESS, pid, at) or {}
    assert entity["process.command_line"] == "/usr/bin/sleep 60" + " 0" * 100
    assert entity["process.executable.path"] == SLEEP
    assert processes.lookup(KeyKind.PROCESS, pid, at - 1) is None


async def test_who_was_there_before_is_read_from_proc(processes: Processes) -> None:
    """This very process is known, from its beginning on."""
    me = str(os.getpid())
    await eventually(lambda: processes.lookup(KeyKind.PROCESS, me, time.time_ns()) is not None)
    entity = processes.lookup(KeyKind.PROCESS, me, time.time_ns()) or {}
    assert entity["process.executable.path"] == ME
    assert entity["process.owner"] == "root" if os.getuid() == 0 else entity["process.owner"]
    assert "pytest" in entity["process.command_line"]
    assert processes.lookup(KeyKind.PROCESS, me, 1) is None


async def test_who_ended_is_no_longer_there(processes: Processes) -> None:
    """A process that is gone still answers for its time, and for no later one."""
    with sleeping() as sleeper:
        pid = str(sleeper.pid)
        await eventually(
            lambda: (command(processes.lookup(KeyKind.PROCESS, pid, time.time_ns())) or "")[:1] == "/"
        )
        alive_at = time.time_ns()
    await eventually(lambda: processes.lookup(KeyKind.PROCESS, pid, time.time_ns() + SECOND) is None)
    assert command(processes.lookup(KeyKind.PROCESS, pid, alive_at)) == "/usr/bin/sleep 60"


def test_users_have_the_names_of_passwd(tmp_path: Path) -> None:
    """The first name of a uid counts, unknown ones are digits, and a changed file is read again."""
    passwd = tmp_path / "passwd"
    passwd.write_text("web:x:7:7::/:\nother:x:7:7::/:\nbroken\n#x:x:y:\n")
    users = Users(passwd)
    assert users.name(7) == "7"
    users.refresh()
    assert (users.name(7), users.name(8)) == ("web", "8")
    passwd.unlink()
    users.refresh()
    assert users.name(7) == "web"
    passwd.write_text("renamed:x:7:7::/:\n")
    users.refresh()
    assert users.name(7) == "renamed"


def test_a_process_is_read_as_it_is() -> None:
    """Beginning, user and arguments agree with what the kernel says elsewhere; who is gone is None."""
    before = time.monotonic_ns()
    with sleeping() as sleeper:
        until_executed = time.monotonic() + 10
        while (
            read_process(sleeper.pid) is None
            or b"sleep" not in (read_process(sleeper.pid) or FACTS).arguments
        ):
            assert time.monotonic() < until_executed
        facts = read_process(sleeper.pid)
    assert facts is not None
    assert (facts.uid, facts.arguments) == (os.geteuid(), b"/usr/bin/sleep\x0060\0")
    assert before - SECOND // 50 <= facts.started_ns <= time.monotonic_ns()
    assert read_process(sleeper.pid) is None


FACTS = ProcessFacts(1, 0, "/bin/app", b"", 0)


def test_a_census_reads_who_is_new_and_no_more_than_it_may() -> None:
    """Known processes are not read again, unless they are unsure."""
    everybody = take_census(frozenset(), (), 10_000)
    assert os.getpid() in {facts.pid for facts in everybody.read}
    again = take_census(everybody.live, (os.getpid(), 1 << 30), 10_000)
    assert os.getpid() in {facts.pid for facts in again.read}
    assert len(take_census(frozenset(), (), 1).read) <= 1


def test_a_long_command_line_is_cut() -> None:
    """However long it is, so much is kept."""
    text = command_line(b"x" * 5000, redact=False)
    assert len(text) == COMMAND_BYTES + 1
    assert text.endswith("x…")


def test_attributes_are_made_once() -> None:
    """They do not change when a user gets another name later."""
    users = Users(Path("/nonexistent"))
    entity = ProcessEntity(FACTS, 0, users, redact=True)
    assert dict(entity) == dict(entity)
    assert len(entity) == 4


async def test_a_look_that_began_before_an_execution_does_not_undo_it() -> None:
    """What /proc showed of a process a moment before it ran another program is not taken for that program."""
    processes, pid = Processes(ProcessConfig()), os.getpid()
    before = take_census(frozenset(), (), 10_000)
    processes.learn(execution(pid, time.monotonic_ns(), b"/bin/after"), OFFSET)
    processes._take(before)
    assert command(processes.lookup(KeyKind.PROCESS, str(pid), time.time_ns() + SECOND)) == "/bin/after"


def test_processes_of_one_pid_are_told_apart_by_when_they_began() -> None:
    """Three within a moment: each program number has its own; one that was never told of has none, at no time."""
    processes = Processes(ProcessConfig())
    for number, name in ((1, b"/bin/first"), (2, b"/bin/second"), (4, b"/bin/fourth")):
        processes.learn(execution(7, number * 4096 + 9, name, program=number * 4096 + 1), 0)
    found = {number: command(processes.of_program(7, number * 4096 + 1, 1 << 20)) for number in (1, 2, 3, 4)}
    assert found == {1: "/bin/first", 2: "/bin/second", 3: None, 4: "/bin/fourth"}


def test_programs_of_one_process_are_told_apart_by_their_number() -> None:
    """A connection of before an execution has the program of then; one that was not told of has none."""
    processes = Processes(ProcessConfig())
    for number, name in ((3, b"/bin/a"), (4, b"/bin/b")):
        processes.learn(execution(7, 5000 + number, name, program=4096 + number), 0)
    found = {number: command(processes.of_program(7, 4096 + number, 1 << 20)) for number in (3, 4, 5)}
    assert found == {3: "/bin/a", 4: "/bin/b", 5: None}


async def test_a_process_read_from_proc_answers_for_its_own_beginning_only(processes: Processes) -> None:
    """This very process, whose beginning /proc rounds to ticks; an earlier or later one of its pid is nobody."""
    pid, facts = os.getpid(), read_process(os.getpid())
    assert facts is not None
    began = facts.started_ns + facts.spread_ns // 2
    await eventually(lambda: processes.of_program(pid, began & ~0xFF, time.time_ns()) is not None)
    for other in (began - SECOND - facts.spread_ns, began + SECOND + facts.spread_ns):
        assert processes.of_program(pid, other & ~0xFF, time.time_ns()) is None


async def test_a_pid_that_went_to_a_process_nobody_told_of_is_read_again(processes: Processes) -> None:
    """Who had it before is alive for all that a list of pids tells: who is asked for is found all the same."""
    with sleeping() as sleeper:
        before = time.monotonic_ns() - 60 * SECOND
        processes.learn(execution(sleeper.pid, before, b"/bin/before", program=before & ~0xFF), OFFSET)
        facts = read_process(sleeper.pid)
        assert facts is not None
        number = (facts.started_ns + facts.spread_ns // 2) & ~0xFF
        await eventually(lambda: processes.of_program(sleeper.pid, number, time.time_ns()) is not None)
        found = processes.of_program(sleeper.pid, number, time.time_ns())
        assert (found or {})["process.executable.path"] == SLEEP
    assert command(processes.of_program(sleeper.pid, before & ~0xFF, time.time_ns())) == "/bin/before"


async def test_a_program_that_nobody_told_of_is_read_from_proc(processes: Processes) -> None:
    """The event of an execution was lost: the process is known by when it began, and what it ran before is kept."""
    with sleeping() as sleeper:
        await eventually(lambda: read_process(sleeper.pid) is not None)
        facts = read_process(sleeper.pid)
        assert facts is not None
        first = ((facts.started_ns + facts.spread_ns // 2) & ~0xFF) + 1
        processes.learn(execution(sleeper.pid, first, b"/bin/before", program=first), OFFSET)
        await eventually(lambda: processes.of_program(sleeper.pid, first + 1, time.time_ns()) is not None)
        found = [command(processes.of_program(sleeper.pid, first + more, time.time_ns())) for more in (0, 1)]
    assert found == ["/bin/before", "/usr/bin/sleep 60"]
