"""Faust's consumer over a backend: wakes by event, commits exactly, rebalances as the group says."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from faust.exceptions import ConsumerNotStarted, ImproperlyConfigured
from faust.transport import base
from faust.types import TP, ConsumerMessage, Message
from mode import Seconds, Service, ServiceT

from engine.log_record import FIRST_OFFSET
from engine.transport.backend import CREATE_TIME, Member
from engine.transport.intake import Intake, Records
from engine.transport.log_transport import LogTransport
from engine.transport.read_offsets import ReadOffsets
from model.subjects import TopicPartition

#: The least time between two commits, in seconds, so that one commit covers many messages.
COMMIT_PAUSE = 0.001


class Consumer(base.Consumer):
    """Reads the partitions that the app is assigned and hands their messages to the agents.

    Never more than ``stream_buffer_maxsize`` messages of a topic are in flight, so that handing out one topic
    never blocks another (a deadlock once one agent sends to the topic of the next and that one is full).
    """

    logger = logging.getLogger(__name__)
    transport: LogTransport

    #: Seconds that a rebalance waits for messages being processed, from when nothing more is read, before they are
    #: given up to be delivered again.
    finish_timeout = 2.0
    #: The same of a stop, which has more to do within two seconds.
    stop_timeout = 1.25

    def __post_init__(self) -> None:
        self._member: Member | None = None
        self._flow_stopped_at: float | None = None
        self._joined = asyncio.Event()
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._uncommitted = asyncio.Event()
        self._urged = asyncio.Event()
        self._intake = Intake(self.transport.backend, self._wake.set, self._on_ack)
        self._read_offset = ReadOffsets()
        # Streams acknowledge by `consumer._acked_index[tp].add(offset)`.
        self._acked_index = self._intake.commit_offsets  # type: ignore[assignment]  # no set, but answers like one

    # -- life

    async def on_start(self) -> None:
        """Connect to the log.

        :raises ImproperlyConfigured: if the app has tables: their recovery is not carried.
        """
        if self.app.tables:
            raise ImproperlyConfigured("tables are not carried: keep state in the agents, or use kafka://")
        await self.transport.connect()

    async def on_stop(self) -> None:
        """Leave the group. The app waited for its agents and committed before (``wait_empty``)."""
        self._progress.set()
        if self._member is not None:
            await self._member.leave()
        await self._intake.close()
        await self.transport.disconnect()

    async def wait_empty(self) -> None:
        """Wait for messages being processed, at most ``finish_timeout`` or ``stop_timeout``, and commit."""
        loop = asyncio.get_running_loop()
        begin = loop.time() if self._flow_stopped_at is None else self._flow_stopped_at
        deadline = begin + (self.stop_timeout if self.app.should_stop else self.finish_timeout)
        while unfinished := sum(not message.acked for message in self._unacked_messages):
            self._waiting_for_ack = loop.create_future()
            await asyncio.wait([self._waiting_for_ack], timeout=max(0.0, deadline - loop.time()))
            if loop.time() >= deadline:
                self.log.warning("%d messages are not finished: they will be delivered again", unfinished)
                break
        await self.commit_all()
        if self.app.should_stop:
            # Agents cancelled from now on acknowledge what they did not finish.
            self._intake.commit_offsets.clear()

    # -- the group

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group of the app, or tell it which topics are wanted now."""
        backend, wanted = self.transport.backend, set(topics)
        for topic in wanted:
            await backend.create_topic(topic, self.transport.declared_partitions(topic))
        if self._member is None:
            self._member = await backend.join(self.app.conf.id, wanted, self._urged.set)
            self._joined.set()
        else:
            await self._member.subscribe(wanted)

    @Service.task
    async def _follow_group(self) -> None:
        await self._joined.wait()
        member = self._joined_member()
        while not self.should_stop:
            await member.changed()
            self.app.on_rebalance_start()
            await self.on_partitions_revoked(set(self.assignment()))
            assignment = await member.take()
            await self._intake.assign(assignment.partitions)
            self.app.consumer_generation_id = assignment.generation
            await self.on_partitions_assigned(set(self.assignment()), assignment.generation)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the agents finish and commit, then forget the partitions.

        Faust forgets first, and then has nothing to commit.
        """
        await self._on_partitions_revoked(revoked)
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        for tp in revoked:
            self._intake.commit_offsets.pop(tp, None)
            self._acked.pop(tp, None)
            self._read_offset.pop(tp, None)
            self._committed_offset.pop(tp, None)

    def _joined_member(self) -> Member:
        if self._member is None:
            raise ConsumerNotStarted("the consumer has not subscribed yet: start the app first")
        return self._member

    def assignment(self) -> set[TP]:
        """The partitions that this app reads."""
        return self._intake.assigned

    # -- reading

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand messages to the agents until a stop.

        Faust makes four tasks of each, in case the flow stops while it waits for room. Here there is room for all
        that is read (``_window``).
        """
        while not (self.should_stop or fetcher.should_stop):
            await asyncio.sleep(0)
            async for _, message in self.getmany(timeout=1.0):
                if self.app.flow_control.is_active():  # else it comes again once the flow goes on
                    await self.callback(message)

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109  # the signature is Faust's
    ) -> tuple[Records, set[TP]]:
        active = self._get_active_partitions()
        return await self._getmany(active, timeout), active

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109  # the signature is Faust's
    ) -> Records:
        # The timeout is not needed: records, acknowledgements and the flow wake, and a stop cancels.
        active = self.assignment() if active_partitions is None else active_partitions
        while not self.should_stop:
            self._wake.clear()
            if self.flow_active and (records := await self._intake.read(tuple(active), self._window)):
                return records
            await self._wake.wait()
        return {}

    def _window(self, topic: str) -> int:
        """Messages of the topic that fit into the queue of an agent, which other topics may share."""
        sharing = (len(channel.topics) for channel in self.app.topics if topic in channel.topics)
        return max(1, int(self.app.conf.stream_buffer_maxsize) // max(sharing, default=1))

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        offset, content = record
        message = ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=offset,
            timestamp=content.timestamp,
            timestamp_type=CREATE_TIME,
            headers=list(content.headers),
            key=content.key,
            value=content.value,
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )
        self._intake.deliver(tp, message)
        return message

    def stop_flow(self) -> None:
        """Read no more for now."""
        if self.flow_active:
            self._flow_stopped_at = asyncio.get_running_loop().time()
        super().stop_flow()

    def resume_flow(self) -> None:
        """Go on reading."""
        self._flow_stopped_at = None
        super().resume_flow()
        self._wake.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Go on reading these."""
        super().resume_partitions(tps)
        self._wake.set()

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: the window keeps queues from overflowing."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing: an acknowledgement opens the window."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: the commit offset knows what was delivered."""

    # -- positions

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Read on where the group committed, or from the oldest record."""
        committed = {TP(*tp): offset for tp, offset in (await self._committed()).items()}
        for tp in self.assignment():
            oldest = await self._first_offset(tp)
            await self._intake.start(tp, max(committed.get(tp, FIRST_OFFSET), oldest))
        return committed

    async def _committed(self) -> Mapping[TopicPartition, int]:
        return await self._joined_member().committed({TopicPartition(*tp) for tp in self.assignment()})

    async def _first_offset(self, tp: TP) -> int:
        return await self.transport.backend.first_offset(TopicPartition(*tp))

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._intake.seek(partition, offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Read on at these offsets."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    async def seek_to_beginning(self, *partitions: TP) -> None:
        """Read again from the oldest records."""
        await self.seek_wait(await self.earliest_offsets(*partitions))

    async def position(self, tp: TP) -> int | None:
        """The offset to be read next."""
        return self._intake.positions.get(tp)

    def highwater(self, tp: TP) -> int:
        """The offset after the last record known of; 0 before the partition is read."""
        return self._intake.end(tp)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The offsets after the last records."""
        end_offset = self.transport.backend.end_offset
        return {tp: await end_offset(TopicPartition(*tp)) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The offsets of the oldest records."""
        return {tp: await self._first_offset(tp) for tp in partitions}

    # -- acknowledging and committing

    def _on_ack(self) -> None:
        self._uncommitted.set()
        self._progress.set()
        self._wake.set()

    def ack(self, message: Message) -> bool:
        """Count the message as done, unless a stream skipped it because the flow had stopped.

        Not if it came before the last rebalance: its offset may be that of another message now, for the
        partition's stream may have been replaced. It comes again where it does not.
        """
        if int(message.generation_id or 0) != int(self.app.consumer_generation_id):
            message.acked = True
            self._unacked_messages.discard(message)
            return False
        return message.tracked and super().ack(message)

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self._uncommitted.wait()
            self._uncommitted.clear()
            await self.commit()
            await asyncio.sleep(COMMIT_PAUSE)
            await self._pause()

    async def _pause(self) -> None:
        """Wait for the commit interval, or until somebody needs room."""
        try:
            await asyncio.wait_for(self._urged.wait(), self.commit_interval)
        except TimeoutError:
            return
        self._urged.clear()

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Nothing: it is Kafka's."""

    async def commit_all(self) -> None:
        """Commit what is done now, after a commit that may be under way."""
        await self.maybe_wait_for_commit_to_finish()
        await self.commit()

    def _filter_tps_with_pending_acks(self, topics: Collection[TP | str] | None = None) -> Iterator[TP]:
        return (
            tp for tp in tuple(self._intake.commit_offsets) if topics is None or {tp, tp.topic} & {*topics}
        )

    def _new_offset(self, tp: TP) -> int | None:
        # Faust's own goes past messages in flight when the first of a run is among them.
        self._acked.pop(tp, None)
        return self._intake.commit_offsets[tp].committable

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        # Faust's own remembers offsets as committed even if they were not.
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        if not mine:
            return False
        await self.app.producer.flush()
        if not await self._commit(mine):
            return False
        self.app.tables.on_commit(mine)
        self._committed_offset.update(mine)
        self.app.monitor.on_tp_commit(mine)
        return True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        stored = {TopicPartition(*tp): offset for tp, offset in offsets.items()}
        return await self._joined_member().commit(stored)

    # -- draining

    async def drain(self, topics: Iterable[str]) -> None:
        """Wait until what is stored in the topics, each when its turn comes, is processed; then commit.

        :raises ConsumerNotStarted: if the app stops meanwhile.
        """
        await self._joined.wait()
        for topic in topics:
            count = self.topic_partitions(topic) or 0
            ends = await self.highwaters(*(TP(topic, partition) for partition in range(count)))
            while self._behind(ends):
                self._progress.clear()
                await self._progress.wait()
        await self.commit_all()

    def _behind(self, ends: Mapping[TP, int]) -> bool:
        if self.should_stop or self.app.should_stop:
            raise ConsumerNotStarted("the app stopped before all was processed: drain it first")
        done = self._intake.commit_offsets
        return self.app.rebalancing or any(
            done[tp].offset < ends[tp] for tp in ends.keys() & self.assignment()
        )

    def backlog(self) -> Mapping[TP, int]:
        """Messages of each partition of this app that are stored, as far as known, and not processed."""
        return self._intake.backlog()

    # -- topics

    async def create_topic(
        self,
        topic: str,
        partitions: int,
        replication: int,
        *,
        config: Mapping[str, Any] | None = None,
        timeout: Seconds = 30.0,  # noqa: ASYNC109  # the signature is Faust's
        retention: Seconds | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        ensure_created: bool = False,
    ) -> None:
        """Make the topic unless it exists. The log decides what it keeps: Kafka's settings are ignored."""
        await self.transport.backend.create_topic(topic, partitions)

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions the topic has, or None if there is no such topic."""
        return self.transport.backend.partitions(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """The partition of a key, unless one is given."""
        return self.transport.partition_of(topic, key) if partition is None else partition

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)
