"""Who a process is: executable, command line, beginning, user; also of those that are gone.

Programs executed are learnt from events of the kernel. Who was there before, and who was forked and executes nothing,
is read from /proc, where all pids are listed once a second; who is missing there has ended.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from enrichers.process.config import ProcessConfig
from enrichers.process.procfs import COMMAND_BYTES, PROC, Census, ProcessFacts, take_census
from enrichers.process.redact import redacted
from enrichers.process.users import PASSWD, Users
from model.enricher import OPEN, EnricherStatistics, Entity, Identity, KeyKind
from model.intervals import Intervals
from model.settings import PluginConfig
from model.tasks import end

CENSUS_SECONDS: Final = 1.0
#: Processes read in one census: some 100 ms of a thread.
READS: Final = 1024
#: Pids that were asked for in vain, and pids to read again: remembered at most.
NOTES: Final = 4096
PID_DIGITS: Final = 10


class Processes:
    """Names the processes of this node: executable, command line, owner."""

    Config: ClassVar[type[PluginConfig]] = ProcessConfig
    name = "process"
    kinds = frozenset({KeyKind.PROCESS})

    def __init__(
        self,
        config: ProcessConfig,
        *,
        proc: Path = PROC,
        passwd: Path = PASSWD,
        census_seconds: float = CENSUS_SECONDS,
    ) -> None:
        self._redact = config.redact
        self._proc = proc
        self._seconds = census_seconds
        self._users = Users(passwd)
        self._memory = Intervals(config.entries)
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._missed: set[str] = set()
        self._unsure: set[int] = set()
        self._heard: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._version = 0

    @property
    def version(self) -> int:
        """Grows when somebody who was asked for in vain is found, or a known process runs another program."""
        return self._version

    @property
    def live(self) -> bool:
        """Never: executions come with the sockets' events."""
        return False

    async def start(self, node: str) -> None:
        """Begin to watch /proc."""
        await asyncio.to_thread(self._users.refresh)  # what is asked for soon has names of users already
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End the watch."""
        if self._task:
            await end(self._task)

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes executions in.

        :param events: ``struct exec_event``; shape (n,).
        :param offset_ns: wall clock minus CLOCK_MONOTONIC.
        """
        self._offset_ns = offset_ns
        for event in events:
            self._executed(_facts(event), int(event["header"]["at_ns"]) + offset_ns)

    def _executed(self, facts: ProcessFacts, at_ns: int) -> None:
        before = self._memory.find(KeyKind.PROCESS, str(facts.pid), at_ns)
        if before:
            self._memory.end(KeyKind.PROCESS, str(facts.pid), at_ns, before.begin_ns)
        if before or str(facts.pid) in self._missed:
            self._version += 1
        self._add(facts, at_ns)
        if (facts.cut or not facts.named) and len(self._unsure) < NOTES:
            self._unsure.add(facts.pid)
        else:
            self._unsure.discard(facts.pid)

    def _add(self, facts: ProcessFacts, begin_ns: int) -> None:
        entity = ProcessEntity(facts, facts.started_ns + self._offset_ns, self._users, redact=self._redact)
        self._memory.add(KeyKind.PROCESS, str(facts.pid), entity, begin_ns)

    async def _watch(self) -> None:
        while True:
            known = frozenset(int(identity.value) for identity in self._memory.held(KeyKind.PROCESS))
            try:
                census = await asyncio.to_thread(self._census, known, frozenset(self._unsure))
                self._take(census)
                self._heard, self._memory.away = time.monotonic(), False
            except OSError:
                self._memory.away = True
            await asyncio.sleep(self._seconds)

    def _census(self, known: frozenset[int], unsure: frozenset[int]) -> Census:
        self._users.refresh()
        return take_census(known, unsure, READS, self._proc)

    def _take(self, census: Census) -> None:
        """Ends who is gone, and adds who was found."""
        at_ns = census.at_ns + self._offset_ns
        for identity in self._memory.held(KeyKind.PROCESS):
            if int(identity.value) not in census.live and identity.begin_ns < at_ns:
                self._memory.end(KeyKind.PROCESS, identity.value, at_ns, identity.begin_ns)
        for facts in census.read:
            self._found(facts, at_ns)
        gone = self._unsure - census.live
        self._unsure -= {pid for pid in gone if not self._memory.find(KeyKind.PROCESS, str(pid), OPEN - 1)}

    def _found(self, facts: ProcessFacts, at_ns: int) -> None:
        """What /proc says of a process; what the kernel said of its beginning, if it did, is kept.

        :param at_ns: when the census began: what was executed since then may not have been read.
        """
        held = self._memory.find(KeyKind.PROCESS, str(facts.pid), time.monotonic_ns() + self._offset_ns)
        if held and held.begin_ns > at_ns:
            return
        self._unsure.discard(facts.pid)
        if held and _facts_of(held).is_process_of(facts) and _facts_of(held).is_told_by(facts):
            self._add(facts.of_program(_facts_of(held)), held.begin_ns)
        elif held:  # its pid went to another process, or it runs a program of which nobody told
            again = _facts_of(held).is_process_of(facts)
            begin_ns = at_ns if again else facts.started_ns + self._offset_ns
            self._memory.end(KeyKind.PROCESS, str(facts.pid), begin_ns, held.begin_ns)
            self._add(facts, begin_ns)
        else:
            self._add(facts, facts.started_ns + self._offset_ns)
        if str(facts.pid) in self._missed or held:
            self._version += 1
        self._missed.discard(str(facts.pid))

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Who had this pid at that time."""
        entity = self._memory.lookup(kind, value, at_ns)
        if entity is None and kind is KeyKind.PROCESS and len(value) <= PID_DIGITS:
            self._miss(value)
        return entity

    def of_program(self, pid: int, program: int, at_ns: int) -> Entity | None:
        """Which process this is; nobody rather than another that has, or had, its pid.

        :param program: of ``struct owner``.
        :param at_ns: tells programs of one process apart of which the kernel did not tell.
        """
        runs = [one for one in self._memory.every(KeyKind.PROCESS, str(pid)) if _facts_of(one).runs(program)]
        told = [one for one in runs if _facts_of(one).executions is not None]
        then = [one for one in runs if one.begin_ns <= at_ns]
        found = next(reversed(told or then or runs), None)
        if found is None:
            self._miss(str(pid))
            if len(self._unsure) < NOTES:
                self._unsure.add(pid)
        return self._memory.answer(found)

    def _miss(self, pid: str) -> None:
        """Who is found later was asked for in vain."""
        if len(self._missed) >= NOTES:
            self._missed.clear()
        self._missed.add(pid)

    def statistics(self) -> EnricherStatistics:
        """The counts so far; the age is that of the last look into /proc."""
        return self._memory.statistics(
            float("inf") if self._heard is None else time.monotonic() - self._heard
        )


class ProcessEntity(Mapping[str, str]):
    """The attributes of a process, made when they are first asked for: most processes have no connection.

    :param started_ns: wall clock.
    """

    def __init__(self, facts: ProcessFacts, started_ns: int, users: Users, *, redact: bool) -> None:
        self._facts = facts
        self._started_ns = started_ns
        self._users = users
        self._redact = redact

    @property
    def facts(self) -> ProcessFacts:
        """What it is made of."""
        return self._facts

    @cached_property
    def _attributes(self) -> dict[str, str]:
        facts = self._facts
        whole = facts.named or not facts.executable.startswith(
            "/"
        )  # a path from the root that was cut has no end
        found = {
            "process.executable.path": facts.executable if facts.named else "",
            "process.executable.name": facts.executable.rsplit("/", 1)[-1] if whole else "",
            "process.command_line": command_line(facts.arguments, redact=self._redact, cut=facts.cut),
            "process.creation.time": _time(self._started_ns),
            "process.owner": self._users.name(facts.uid),
        }
        return {name: value for name, value in found.items() if value}

    def __getitem__(self, name: str) -> str:
        return self._attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)


def _facts_of(identity: Identity) -> ProcessFacts:
    """Of one that this enricher has put into its memory."""
    assert isinstance(identity.entity, ProcessEntity)
    return identity.entity.facts


def command_line(arguments: bytes, *, redact: bool, cut: bool = False) -> str:
    """Arguments with blanks between them; ``…`` at the end says that it was cut."""
    cut = cut or len(arguments) > COMMAND_BYTES
    parts = arguments[:COMMAND_BYTES].rstrip(b"\0").decode(errors="replace").split("\0")
    return " ".join(redacted(parts) if redact else parts) + ("…" if cut else "")


#: What is executed by such a path (``/proc/self/exe``, ``/dev/fd/3``) is the program that it leads to.
_LINKS: Final = (b"/proc/", b"/dev/fd/")


def _facts(event: np.void) -> ProcessFacts:
    executable, arguments = event["executable"], event["arguments"]
    longer = int(event["arguments_bytes"]) > event.dtype["arguments"].itemsize
    named = executable.startswith(b"/") and len(executable) < event.dtype["executable"].itemsize - 1
    named = named and not executable.startswith(_LINKS)
    return ProcessFacts(
        int(event["pid"]),
        int(event["uid"]),
        executable.decode(errors="replace"),
        arguments + b"\0",
        int(event["started_ns"]),
        named=named,
        cut=longer,
        executions=int(event["executions"]) & 0xFF,
    )


def _time(at_ns: int) -> str:
    """ISO 8601, milliseconds."""
    moment = datetime.fromtimestamp(at_ns / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
