"""A group of consumers on NATS: members by lease, one of them deals out the partitions, all give up first.

Every member keeps a key with its lease alive; a key that is not renewed is removed by the server. Whoever could
create the key of the leader writes a new roster when the members are others than those of the last one. A
member that sees a new roster gives up what it reads, says so with its lease, waits until all that hold a lease have
said so, and takes its share. So a partition is read by a new owner only when the old one has given it up, or
lost its lease, which it notices earlier than anybody else.
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec
from nats.aio.msg import Msg

from engine.log_record import Wake
from engine.nats.api import Refused, Unanswered
from engine.nats.bucket import Bucket, Conflict
from engine.nats.lease import LEAVE_SECONDS, Lease
from engine.nats.link import Link
from engine.transport.backend import Assignment, MembershipLost
from engine.transport.nats.offsets import Offsets
from engine.transport.nats.roster import Membership, Roster
from engine.transport.nats.tenure import Tenure
from model.errors import TailraceError
from model.subjects import LEADER, MEMBER, LogNames, TopicPartition
from model.tasks import end, happens
from model.version import VERSION

log = logging.getLogger(__name__)

#: Renewals of a lease within its time, and looks at the group.
RENEWALS, LOOKS = 5, 10


def _new_id() -> str:
    """Sorts by age, so that members who stay keep their place."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}"


class NatsMember:
    """One consumer of a group.

    :param leases: the bucket of the group, whose keys live for one lease.
    :param meta: the bucket with the roster.
    :param count: gives the number of partitions of a topic that exists.
    :param on_commit: called with the partitions of each commit, and with those taken.
    """

    def __init__(
        self,
        link: Link,
        names: LogNames,
        group: str,
        topics: Collection[str],
        *,
        leases: Bucket,
        meta: Bucket,
        offsets: Offsets,
        lease: Lease,
        count: Callable[[str], Awaitable[int]],
        urge: Wake,
        on_commit: Callable[[Collection[TopicPartition]], None],
    ) -> None:
        self._link = link
        self._names = names
        self._group = group
        self.topics = tuple(sorted(topics))
        self._leases = leases
        self._meta = meta
        self._offsets = offsets
        self.lease = lease
        self._count = count
        self.urge = urge
        self._on_commit = on_commit
        self._id = ""
        self._gave_up = 0
        self._roster = Roster()
        self._peers: Mapping[str, Membership] = {}
        self._leading = 0
        self._waiting_for_peers = False
        self._held = Assignment(0, frozenset())
        self._left = False
        self._lost = ""
        self._starts_anew = False
        self.lapses = 0
        self._look_now = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen for news of the group."""
        await self._link.listen(self._names.news(self._group), self._on_news)
        self._link.on_reconnect.add(self._look_now.set)
        self._tasks = [asyncio.create_task(self._keep_lease()), asyncio.create_task(self._look())]
        for task in self._tasks:
            task.add_done_callback(self._on_end)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        """A membership whose tasks failed is none."""
        if not task.cancelled() and (error := task.exception()):
            self.fail(f"its membership failed: {error!r}")

    def fail(self, why: str) -> None:
        """The membership cannot go on."""
        self._lost = why
        self._wake_waiting()

    def start_anew(self) -> None:
        """Give up everything and enter again: what was read is of a stream that is gone."""
        self._starts_anew = True
        self.lease.end()
        self._look_now.set()

    async def _on_news(self, _: Msg) -> None:
        self._look_now.set()

    # -- the lease

    async def _keep_lease(self) -> None:
        while True:
            if self.lease.held:
                await self._attempt(self._renew_lease())
            await asyncio.sleep(self.lease.seconds / RENEWALS)

    async def _renew_lease(self) -> None:
        sent_at, name = self.lease.clock(), self._id
        value = msgspec.json.encode(Membership(self.topics, self._gave_up, VERSION, os.uname().nodename))
        await self._leases.put(MEMBER + name, value)
        if name != self._id or self._starts_anew:
            return  # the lease that this renewed is given up
        if not self.lease.renewed(sent_at):
            log.warning("the lease of this worker in %s lapsed before it was renewed", self._group)

    async def _attempt(self, step: Awaitable[object]) -> bool:
        """Whether the step succeeded; what fails now is tried again at the next round."""
        try:
            await step
        except (Unanswered, Conflict):
            return False
        except Refused as error:
            self._link.note(error)
            return False
        return True

    # -- looking around

    async def _look(self) -> None:
        while True:
            if self._id and await self._attempt(self._look_once()):
                self._wake_waiting()
            await happens(self._look_now, self._time_to_look())
            self._look_now.clear()
            if not self.lease.held:
                self._wake_waiting()

    def _time_to_look(self) -> float:
        """Seconds until the next look, which is not later than the end of the lease."""
        pause = self.lease.seconds / LOOKS
        return min(pause, max(self.lease.left, 0.0) + 0.001) if self.lease.held else pause

    async def _look_once(self) -> None:
        leading = self.lease.held and await self._lead()
        if leading or self._waiting_for_peers:
            found = await self._leases.entries(f"{MEMBER}*")
            self._peers = {
                key.removeprefix(MEMBER): msgspec.json.decode(entry.value, type=Membership)
                for key, entry in found.items()
            }
        entry = await self._meta.get(self._names.assignment(self._group))
        # Without an entry the bucket was lost: who reads what is dealt out anew, as a later generation.
        known = self._roster.generation
        self._roster = msgspec.json.decode(entry.value, type=Roster) if entry else Roster(known)
        if leading and self.lease.held and not self._roster.fits(self._peers):
            await self._deal(entry.revision if entry else 0)

    async def _lead(self) -> bool:
        try:
            self._leading = await self._leases.update(LEADER, self._id.encode(), self._leading)
        except Conflict:
            if not self._leading:
                return False
            # The own renewal may have been stored without its acknowledgement.
            entry = await self._leases.get(LEADER)
            self._leading = entry.revision if entry and entry.value == self._id.encode() else 0
        return bool(self._leading)

    async def _deal(self, revision: int) -> None:
        counts = {topic: await self._count(topic) for peer in self._peers.values() for topic in peer.topics}
        roster = self._roster.next(self._peers, counts)
        await self._meta.update(self._names.assignment(self._group), msgspec.json.encode(roster), revision)
        self._roster = roster
        await self._notify_group()

    async def _notify_group(self) -> None:
        self._look_now.set()
        await self._link.publish(self._names.news(self._group))

    def _wake_waiting(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._lost:
                raise MembershipLost(self._lost, "start the app again")
            await self._news.wait()

    # -- the contract

    @property
    def _holding(self) -> bool:
        """Whether the assignment taken holds."""
        return self.lease.held and 0 < int(self._held.generation) == self._roster.generation

    async def changed(self) -> None:
        """Wait for a later generation, or the end of the lease; for ever once the member left.

        :raises MembershipLost: if the membership failed.
        """
        await self._until(lambda: not self._left and not self._holding)

    async def take(self) -> Assignment:
        """Give up everything, enter again if the lease lapsed, wait for all others, and take the share.

        :raises MembershipLost: if the membership failed.
        """
        self._held = Assignment(0, frozenset())
        self._waiting_for_peers = True
        try:
            while not self._holding:
                await self._take()
        finally:
            self._waiting_for_peers = False
        log.info("%s reads %d partitions", self._group, len(self._held.partitions))
        return self._held

    async def _take(self) -> None:
        if not self.lease.held:
            await self._enter()
        await self._until(lambda: not self.lease.held or self._roster.names(self._id))
        roster = self._roster
        if not self.lease.held or not await self._give_up_for(roster):
            return
        await self._until(
            lambda: (
                not self.lease.held
                or self._roster.generation != roster.generation
                or (self._gave_up == roster.generation and roster.given_up(self._peers))
            )
        )
        if not self.lease.held or self._roster.generation != roster.generation:
            return
        partitions = roster.partitions_of(self._id)
        latest = await self._offsets.acquire(partitions, self._id, roster.generation)
        if latest > roster.generation:
            self._gave_up = latest  # the leader sees it, and deals out as a later generation
            await self._attempt(self._renew_lease())
            self._look_now.set()
            await self._link.pause()
            return
        self._held = Assignment(Tenure(roster.generation, self.lease), partitions)
        self._on_commit(partitions)

    async def _enter(self) -> None:
        """Begin a lease under a new name; what was done under the old one is over."""
        old, self._id, self._gave_up, self._leading = self._id, _new_id(), 0, 0
        self.lease.end()
        if old:
            if not self._starts_anew:
                self.lapses += 1
                log.warning("the lease of this worker in %s lapsed: it enters again", self._group)
            self._starts_anew = False
            await self._attempt(self._leases.drop(MEMBER + old))
        while not await self._attempt(self._renew_lease()):
            if self._lost:
                raise MembershipLost(self._lost, "start the app again")
            await self._link.pause()
        await self._notify_group()

    async def _give_up_for(self, roster: Roster) -> bool:
        """Say that nothing older than the roster is read here any more."""
        self._gave_up = roster.generation
        self._peers = {self._id: Membership(self.topics)}
        if not await self._attempt(self._renew_lease()):
            await self._link.pause()
            return False
        await self._notify_group()
        return True

    async def subscribe(self, topics: Collection[str]) -> None:
        """Read these topics from now on."""
        wanted = tuple(sorted(set(topics)))
        if self.topics != wanted:
            self.topics = wanted
            if self.lease.held:
                await self._attempt(self._renew_lease())
                await self._notify_group()

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offsets the group committed; of a partition that lost what was committed, its oldest record."""
        return await self._offsets.committed(partitions)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Store offsets; false if the lease lapsed or another member may commit them now."""
        if not await self._offsets.commit(offsets, self._may_commit):
            return False
        self._on_commit(offsets.keys())
        return True

    def _may_commit(self) -> bool:
        return self.lease.held and int(self._held.generation) > 0

    async def leave(self) -> None:
        """Leave the group: at once if the server answers, else when the lease lapses."""
        self._left = True
        self._held = Assignment(0, frozenset())
        await end(*self._tasks)
        self._link.on_reconnect.discard(self._look_now.set)
        self.lease.end()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._leases.drop(MEMBER + self._id)
                if self._leading:
                    await self._leases.drop(LEADER)
        except (TailraceError, TimeoutError) as error:
            self._link.note(error)
        await self._notify_group()
