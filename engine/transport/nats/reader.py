"""Reads one stream forward, by requests of its own for a bounded number of bytes."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nats.aio.msg import Msg

from engine.log_record import FIRST_OFFSET, Record, Wake
from engine.nats.link import Link, Listening
from engine.nats.log import StreamState
from engine.nats.record_message import from_message
from engine.transport.nats.budget import Budget
from model.errors import TailraceError
from model.subjects import API
from model.tasks import end, happens

log = logging.getLogger(__name__)

#: Seconds between signs of life of a request that waits, and how long no sign at all means that it is lost.
HEARTBEAT, SILENCE = 1.0, 3.0

#: Messages of one request.
BATCH = 1000

#: Seconds after which the server forgets a consumer that asks for nothing.
FORGOTTEN_AFTER = 120

#: Words of the status with which a request ends normally; after any other, the consumer is made anew.
_NORMAL_ENDS = ("Request Timeout", "Message Size Exceeds MaxBytes", "Requests Pending")


@dataclass(slots=True)
class ReadCounts:
    """What all readers of a log hold and missed.

    ``buffered_bytes`` are received and not yet read; ``expired`` counts records that were removed by age
    before they were read; ``unreadable`` those whose headers are broken, which are read without headers;
    ``rewound`` how often a stream was replaced, or ended before what had been read of it; ``lost`` the records that
    were known to be in it, and were not read.

    :param on_missed: called with a reason and a number of records that nobody will read.
    """

    buffered_bytes: int = 0
    expired: int = 0
    unreadable: int = 0
    rewound: int = 0
    lost: int = 0
    on_missed: Callable[[str, int], None] = lambda _, __: None

    def expire(self, count: int) -> None:
        """So many records were removed by age before they were read."""
        if count:
            self.expired += count
            self.on_missed("expired", count)

    def rewind(self, stream: str, unread: int) -> None:
        """A stream is another than it was; so many records that were in it are not."""
        log.error(
            "%s was lost, with %d messages known to be unread: it is read from its beginning", stream, unread
        )
        self.rewound += 1
        self.lost += unread
        self.on_missed("stream_lost", unread)


@dataclass(frozen=True, slots=True)
class Source:
    """A partition's stream, as its reader sees it.

    :param made: when the stream was made whose offset the reader begins at; empty if that is not known.
    :param state: gives the stream as it is now, made again if it is gone.
    :param allowed: whether this worker may read now: it may not once its lease lapsed.
    :param stored_ns: gives when the record at an offset was stored; None if there is none.
    :param on_replaced: called when the stream is another than before.
    :param on_back: called when it is the same, but offsets mean other records than before.
    :param untaken: offsets of records that were read, and that no agent has taken.
    """

    stream: str
    made: str
    state: Callable[[], Awaitable[StreamState]]
    allowed: Callable[[], bool]
    stored_ns: Callable[[int], Awaitable[int | None]]
    on_replaced: Callable[[], None]
    on_back: Callable[[], None]
    untaken: Callable[[], Collection[int]]


class NatsReader:
    """A reader with an ephemeral consumer on the server.

    ``made`` says of which stream it knows; ``left`` is, once it is closed, how many of its records no agent
    took.
    """

    def __init__(
        self, link: Link, source: Source, offset: int, wake: Wake, budget: Budget, counts: ReadCounts
    ) -> None:
        self._link = link
        self._source = source
        self._stream = source.stream
        self.made = source.made
        self.left = 0
        self._wake = wake
        self._budget = budget
        self._counts = counts
        self._next = self._end = self._handed_out = offset
        self._records: deque[tuple[int, Record]] = deque()
        self._bytes = 0
        self._consumer = ""
        self._delivered = 0
        self._asked = self._granted = 0
        self._heard = self._broken = self._complained = False
        self._last_ns: int | None = None  # when the last record received was stored
        self._kick = asyncio.Event()
        self._inbox: Listening | None = None
        self._task = asyncio.create_task(self._run())
        budget.readers += 1
        link.on_reconnect.add(self._restart)

    @property
    def end(self) -> int:
        """The offset after the last record known of."""
        return self._end

    def read(self, offset: int, limit: int) -> Sequence[tuple[int, Record]]:
        """Up to ``limit`` records at and after ``offset``; none once the lease of this worker lapsed."""
        records = self._records
        if (self._asked and not records) or not self._source.allowed():
            return ()
        # The position of whoever reads is ahead only after the stream went back.
        while records and records[0][0] < offset <= self._next:
            self._account(-records.popleft()[1].size)
        if not self._asked:
            self._kick.set()
        found = list(islice(records, limit))
        if found:
            self._handed_out = found[-1][0] + 1
        return found

    def _account(self, size: int) -> None:
        self._bytes += size
        self._counts.buffered_bytes += size

    async def close(self) -> None:
        """Stop reading."""
        self.left = self._unread()
        await end(self._task)
        self._link.on_reconnect.discard(self._restart)
        self._budget.readers -= 1
        self._budget.forget(self._kick.set)
        self._end_request()
        self._account(-self._bytes)
        self._records.clear()
        if self._inbox is not None:
            await self._link.unlisten(self._inbox)
        if self._consumer:
            await self._link.publish(f"{API}.CONSUMER.DELETE.{self._stream}.{self._consumer}")

    # -- asking

    async def _run(self) -> None:
        self._inbox = await self._link.listen(self._link.new_inbox(), self._on_message)
        self._broken = True
        while True:
            if self._broken:
                await self._begin()
            await self._ask()
            self._heard = False
            if not await happens(self._kick, SILENCE):
                self._broken = bool(self._asked) and not self._heard
            self._kick.clear()

    def _restart(self) -> None:
        self._broken = True
        self._kick.set()

    async def _begin(self) -> None:
        """Make a consumer that goes on after the last record received."""
        self._end_request()
        self._broken, self._consumer, self._delivered = False, "", 0
        configuration = {
            "deliver_policy": "by_start_sequence",
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": FORGOTTEN_AFTER * 10**9,
        }
        try:
            await self._follow_stream()
            configuration["opt_start_seq"] = self._next
            reply = await self._link.insist(
                f"CONSUMER.CREATE.{self._stream}", {"stream_name": self._stream, "config": configuration}
            )
        except TailraceError as error:
            self._link.note(error)
            if not self._complained:
                log.error("%s cannot be read: %s", self._stream, error)  # noqa: TRY400  # the sentence says all
            self._complained = self._broken = True
            await self._link.pause()
            return
        self._complained = False
        self._consumer = reply["name"]
        self._end = max(self._end, self._next + int(reply.get("num_pending", 0)))

    async def _follow_stream(self) -> None:
        """Begin again with a stream that was replaced, or lost what was read, as one does with its server's power.

        From its oldest record: nobody knows which of them are new, and what is done is trimmed.
        """
        state = await self._source.state()
        replaced = self.made not in ("", state.made)
        self.made = state.made
        if replaced or await self._went_back(state.end):
            self._counts.rewind(self._stream, self._unread(FIRST_OFFSET if replaced else state.end))
            self._records.clear()
            self._account(-self._bytes)
            self._next = self._handed_out = state.first
            self._end, self._last_ns = state.end, None
            if replaced:
                self._source.on_replaced()
            else:
                self._source.on_back()

    async def _went_back(self, end: int) -> bool:
        """Whether the last record received is gone from the end of the stream, or another is in its place."""
        if self._last_ns is None:
            return False
        if self._next > end:
            return True
        return await self._source.stored_ns(self._next - 1) not in (None, self._last_ns)

    def _unread(self, first: int = FIRST_OFFSET) -> int:
        """How many records from that offset on are known of, and not taken by an agent."""
        untaken = sum(offset >= first for offset in self._source.untaken())
        return untaken + max(0, self._end - max(self._handed_out, first))

    async def _ask(self) -> None:
        if self._asked or self._broken or 2 * self._bytes >= self._budget.share or self._inbox is None:
            return
        self._granted = self._budget.grant(self._kick.set)
        if not self._granted:
            return
        self._asked = BATCH
        request = {
            "batch": BATCH,
            "max_bytes": self._granted,
            "expires": int(self._budget.request_seconds * 1e9),
            "idle_heartbeat": int(min(HEARTBEAT, self._budget.request_seconds / 3) * 1e9),
        }
        call = f"{API}.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        await self._link.publish(call, json.dumps(request).encode(), reply=self._inbox.subject)

    def _end_request(self) -> None:
        granted, self._asked, self._granted = self._granted, 0, 0
        self._budget.give_back(granted)

    # -- receiving

    async def _on_message(self, message: Msg) -> None:
        self._heard = True
        position = _position(message.reply)
        if position is None:
            self._on_status(message.headers or {})
        elif position.consumer == self._consumer:
            if position.delivered == self._delivered + 1:
                self._on_record(position, message)
            else:
                self._restart()

    def _on_status(self, headers: dict[str, Any]) -> None:
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status == "100" or not self._consumer:
            return
        self._end_request()
        self._broken = not description.startswith(_NORMAL_ENDS)
        self._kick.set()

    def _on_record(self, position: "_Position", message: Msg) -> None:
        self._delivered += 1
        self._asked -= 1
        offset = position.offset
        self._end = max(self._end, offset + 1 + position.pending)
        if self._asked == 0:
            self._end_request()
            self._kick.set()
        if offset < self._next:
            return
        self._counts.expire(offset - self._next)
        self._next = offset + 1
        self._last_ns = position.stored_ns
        record = self._record(message, position.stored_ns / 1e9)
        self._records.append((offset, record))
        self._account(record.size)
        self._wake()

    def _record(self, message: Msg, stored_at: float) -> Record:
        try:
            return from_message(message.data, message.headers, stored_at)
        except ValueError:
            self._counts.unreadable += 1
            return Record(None, message.data, (), stored_at)


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a message stands: in the stream (``offset``), and in what the consumer delivered."""

    consumer: str
    offset: int
    delivered: int
    stored_ns: int
    pending: int


def _position(reply: str) -> _Position | None:
    """What the server writes into the reply subject of a message of a consumer.

    ``$JS.ACK.stream.consumer.times.offset.delivered.time.pending``, with domain and account before the
    stream where there are domains.
    """
    parts = reply.split(".")
    if len(parts) < 9 or parts[0] != "$JS":
        return None
    consumer, _, offset, delivered, stored, pending = parts[3:9] if len(parts) == 9 else parts[5:11]
    return _Position(consumer, int(offset), int(delivered), int(stored), int(pending))
