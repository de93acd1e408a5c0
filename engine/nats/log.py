"""A log on NATS, as whoever writes to it sees it: a JetStream stream for each partition of each topic."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import NamedTuple

from nats.aio.msg import Msg

from engine.log_record import FIRST_OFFSET, Record
from engine.nats import streams
from engine.nats.api import NO_MESSAGE, NO_STREAM, Refused, Unanswered, epoch_ns
from engine.nats.bucket import Bucket, Conflict
from engine.nats.connection import NatsConnection
from engine.nats.link import Link
from engine.nats.sender import SendCounts, Sender
from engine.nats.settings import LogSettings
from model.errors import TailraceError
from model.subjects import LogNames, TopicPartition
from model.tasks import end

log = logging.getLogger(__name__)


class StreamState(NamedTuple):
    """A partition's stream now.

    :param first: offset of the oldest record held, or the end if none is.
    :param end: the offset that the next record gets.
    :param made: when the stream was made, as the server says it: another time is another stream.
    """

    first: int
    end: int
    made: str


class PartitionsChanged(TailraceError):
    """The log was made again with another number of partitions than this program works with."""


class NatsLog:
    """Topics of one log on a server. Belongs to one event loop, and connects once.

    :param writer: whose records are appended here; it stands in their subject.
    :param waiting: says what waits while the server is away, for the log.
    :param on_replaced: called when the stream of a partition was gone and another one, empty, is in its place.
    """

    def __init__(
        self,
        settings: LogSettings,
        connection: NatsConnection,
        writer: str = "",
        *,
        waiting: Callable[[], str] = lambda: "",
        on_replaced: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.names = LogNames(settings.log)
        self._writer = writer
        self.link = Link(connection, waiting)
        self.sends = SendCounts()
        self.streams_replaced = 0
        self._on_replaced = on_replaced
        self._meta = Bucket(self.link, streams.meta(self.names, settings))
        self._counts: dict[str, int] = {}
        self._senders: dict[TopicPartition, Sender] = {}
        self._by_stream: dict[str, TopicPartition] = {}
        self._made: dict[TopicPartition, str] = {}
        self._returned = asyncio.Event()
        self._repeating: asyncio.Task[None] | None = None

    async def start(self, *, wait: bool = False) -> None:
        """Connect.

        :param wait: for a server that is not there yet, as long as it takes.
        :raises ConnectionRefused: if no server can be reached, or it refuses the credentials or the TLS.
        :raises TailraceError: if the server has no JetStream.
        """
        await self.link.open(wait=wait)
        await self._meta.open()
        await self.link.listen(self.names.room(), self._on_room)
        self.link.on_reconnect.add(self._returned.set)
        self._repeating = asyncio.create_task(self._repeat(), name="repeat")

    async def stop(self) -> None:
        """Disconnect. Streams stay, in the storage they were made with."""
        if self._repeating is not None:
            await end(self._repeating)
        await self.link.close()

    async def _repeat(self) -> None:
        """Store again what a server that was away may have lost, until cancelled."""
        while True:
            await self._returned.wait()
            self._returned.clear()
            for sender in tuple(self._senders.values()):
                try:
                    await sender.repeat()
                except TailraceError as error:  # whoever appends next hears the same
                    self.link.note(error)

    async def _on_room(self, message: Msg) -> None:
        tp = self._by_stream.get(message.subject.rsplit(".", 1)[1])
        if tp in self._senders:
            self._senders[tp].room.set()

    # -- topics

    async def create_topic(self, topic: str, partitions: int) -> int:
        """Make the topic unless it exists; waits for the server.

        :returns: the number of partitions it has, which is another one than asked for if it existed.
        :raises UsageError: if its streams exist with other limits.
        :raises TailraceError: if the server refuses.
        """
        if topic in self._counts:
            return self._counts[topic]
        count = await self._agreed_count(topic, partitions)
        if count != partitions:
            log.warning("%s has %d partitions: the %d asked for here do not count", topic, count, partitions)
        for partition in range(count):
            await self._make_stream(TopicPartition(topic, partition))
        self._counts[topic] = count
        return count

    async def _agreed_count(self, topic: str, partitions: int) -> int:
        """The number of partitions that whoever came first wrote down."""
        key = self.names.topic(topic)
        while True:
            with contextlib.suppress(Conflict):
                try:
                    if entry := await self._meta.get(key):
                        return int(entry.value)
                    await self._meta.update(key, b"%d" % partitions, 0)
                except Unanswered:
                    await self.link.pause()

    async def _make_stream(self, tp: TopicPartition) -> None:
        stream = streams.partition(self.names, tp, self.settings)
        self._by_stream[stream.name] = tp
        try:
            made = await self.link.until_answered(lambda: streams.make(self.link.api, stream))
        except Refused as error:
            remedy = "see the account limits of nats-server, or lower max_bytes"
            raise TailraceError(error.what, remedy) from None
        self._note_made(tp, made)

    def _note_made(self, tp: TopicPartition, made: str) -> None:
        if self._made.get(tp, made) != made:
            self.streams_replaced += 1
            self._on_replaced()
            log.warning(
                "%s: the stream %s was replaced by an empty one", self.link.where, self.names.stream(tp)
            )
        self._made[tp] = made

    async def ensure_stream(self, tp: TopicPartition) -> None:
        """Make the partition's stream if it is gone from the server; waits for the server.

        :raises PartitionsChanged: if the topic was made again with another number of partitions.
        :raises TailraceError: if the server refuses.
        """
        count = self._counts.get(tp.topic, 0)
        if count and count != (now := await self._agreed_count(tp.topic, count)):
            what = f"{tp.topic} was made again with {now} partitions in place of {count}"
            remedy = "give every program the same number of partitions, and start this again"
            raise PartitionsChanged(what, remedy)
        with contextlib.suppress(streams.OtherLimits):  # it is there, and that is enough
            await self._make_stream(tp)

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has, once it was created here."""
        return self._counts.get(topic)

    # -- records

    async def append(self, tp: TopicPartition, record: Record) -> int:
        """Append; waits while the partition is full, or the server away.

        :raises RecordTooLarge: if it can never be stored.
        """
        if tp not in self._senders:
            names = self.names
            self._senders[tp] = Sender(
                self.link,
                names.subject(tp, self._writer),
                names.full(names.stream(tp)),
                max_bytes=self.settings.max_bytes,
                counts=self.sends,
                ensure_stream=lambda: self.ensure_stream(tp),
            )
        return await self._senders[tp].append(record)

    async def first_offset(self, tp: TopicPartition) -> int:
        """The offset of the oldest record held, or the end if none is; waits for the server."""
        return (await self.state(tp)).first

    async def end_offset(self, tp: TopicPartition) -> int:
        """The offset that the next record gets; waits for the server."""
        return (await self.state(tp)).end

    async def stored_ns(self, tp: TopicPartition, offset: int) -> int | None:
        """When the record was stored, in nanoseconds of the epoch; None if there is none; waits for the server.

        :raises TailraceError: if the server refuses.
        """
        try:
            reply = await self.link.insist(f"STREAM.MSG.GET.{self.names.stream(tp)}", {"seq": offset})
        except Refused as error:
            if error.code == NO_MESSAGE:
                return None
            raise
        return epoch_ns(reply["message"]["time"])

    async def state(self, tp: TopicPartition) -> StreamState:
        """The partition's stream, made again if it is gone; waits for the server.

        :raises TailraceError: as ``ensure_stream`` does, or if the server refuses.
        """
        call = f"STREAM.INFO.{self.names.stream(tp)}"
        try:
            reply = await self.link.insist(call, {})
        except Refused as error:
            if error.code != NO_STREAM:
                raise
            await self.ensure_stream(tp)
            reply = await self.link.insist(call, {})
        state = reply["state"]
        first, end = max(FIRST_OFFSET, int(state["first_seq"])), int(state["last_seq"]) + 1
        made = str(reply["created"])
        self._note_made(tp, made)
        return StreamState(first, end, made)
