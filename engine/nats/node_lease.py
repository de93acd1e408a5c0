"""One agent for each node name: a lease in a bucket, under the name, says who has it and where that runs."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from pathlib import Path
from typing import Final

import msgspec

from engine.nats import streams
from engine.nats.api import Refused, Unanswered
from engine.nats.bucket import Bucket, Conflict, Entry
from engine.nats.lease import LEAVE_SECONDS, Lease
from engine.nats.log import NatsLog
from engine.nats.streams import AGENT_LEASE_SECONDS, OtherLimits
from model.errors import TailraceError
from model.subjects import token
from model.tasks import happens

log = logging.getLogger(__name__)

#: Seconds between renewals of a lease, and between looks at that of another.
RENEWAL_PAUSE: Final = AGENT_LEASE_SECONDS / 5


class NodeNameTaken(TailraceError):
    """Another agent that lives has the node name."""


class Holder(msgspec.Struct, frozen=True):
    """The agent that has a node name.

    :param instance: names this agent, for as long as it runs.
    :param kernel: names the boot of its kernel.
    :param pids: names the namespace in which ``pid`` is its number.
    :param started: in clock ticks since boot: with the pid it names the process.
    """

    instance: str
    host: str
    kernel: str
    pids: str
    pid: int
    started: int

    @classmethod
    def here(cls) -> "Holder":
        """This process."""
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        pids, pid = str(Path("/proc/self/ns/pid").readlink()), os.getpid()
        return cls(secrets.token_hex(8), socket.gethostname(), kernel, pids, pid, _started(pid))

    def ended(self, here: "Holder") -> bool:
        """Whether the process is surely over, as far as one can see from ``here``."""
        same_place = (self.kernel, self.pids) == (here.kernel, here.pids)
        return same_place and _started(self.pid) != self.started


def _started(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 if there is none, or only its exit code is left."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])  # proc(5): state is field 3, starttime 22


class NodeLease:
    """The right to publish on a log under a node name: ``held`` is set while this agent has it."""

    def __init__(self, nats_log: NatsLog, node: str) -> None:
        self._link = nats_log.link
        self._bucket = Bucket(nats_log.link, streams.agent_leases(nats_log.names, nats_log.settings))
        self._node = node
        self._key = token(node)
        self._lease = Lease(AGENT_LEASE_SECONDS)
        self._here = Holder.here()
        self._revision = 0
        self._renew_now = asyncio.Event()
        self.held = asyncio.Event()

    async def keep(self) -> None:
        """Get the lease and renew it until cancelled; waits for the server.

        :raises NodeNameTaken: if another agent has the name.
        """
        try:
            with contextlib.suppress(OtherLimits):  # it is there, and that is enough
                await self._bucket.open()
            await self._acquire()
            self._link.on_reconnect.add(self._renew_now.set)
            while True:
                await happens(self._renew_now, RENEWAL_PAUSE)
                self._renew_now.clear()
                await self._renew()
        except Refused as error:
            # A server whose configuration is older than this: agents published without a lease.
            log.warning(
                "two agents under the name %s would not be noticed: %s; see docs/nats.md", self._node, error
            )
            self.held.set()
            await asyncio.Event().wait()

    async def _acquire(self) -> None:
        """Get the lease: at once if nobody has it or its holder is over, else if that renews it no more.

        :raises NodeNameTaken: if it does.
        """
        revision_of_other = 0
        while not self.held.is_set():
            try:
                entry = await self._bucket.get(self._key)
                holder = self._other_holder(entry)
                if entry is None or holder is None:
                    await self._write(entry.revision if entry else 0)
                    continue
                if entry.revision > revision_of_other > 0:
                    raise self._taken(holder)
                revision_of_other = entry.revision
                await asyncio.sleep(RENEWAL_PAUSE)
            except Unanswered:
                await self._link.pause()
            except Conflict:
                continue

    def _other_holder(self, entry: Entry | None) -> Holder | None:
        """Who else has the name; None for nobody who lives, as far as one can see from here, or after ``leave``."""
        if entry is None or not entry.value:
            return None
        holder = msgspec.json.decode(entry.value, type=Holder)
        return None if holder.instance == self._here.instance or holder.ended(self._here) else holder

    def _taken(self, holder: Holder) -> NodeNameTaken:
        return NodeNameTaken(
            f"another agent publishes as node {self._node}: process {holder.pid} on host {holder.host}",
            "stop that one, or give this one another name (node in the configuration, or TAILRACE_NODE)",
        )

    async def _write(self, revision: int) -> None:
        sent_at = self._lease.clock()
        self._revision = await self._bucket.update(self._key, msgspec.json.encode(self._here), revision)
        if not self._lease.renewed(sent_at):  # it had lapsed, and nobody has taken it
            self._lease.end()
            self._lease.renewed(sent_at)
        self.held.set()

    async def _renew(self) -> None:
        try:
            await self._write(self._revision)
        except Unanswered:
            if not self._lease.held:
                self.held.clear()
        except Conflict:  # lapsed, removed, or written by an own renewal whose acknowledgement got lost
            self.held.clear()
            await self._acquire()

    async def leave(self) -> None:
        """Give the name back, if the server answers."""
        if self._revision:
            with contextlib.suppress(Unanswered, Refused, Conflict, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._bucket.update(self._key, b"", self._revision)
