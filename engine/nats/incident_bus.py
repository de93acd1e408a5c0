"""How engines agree on incidents over NATS: one leads, all tell it what they see, and what it keeps is kept there."""

import asyncio
import contextlib
import logging
import secrets
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from nats.aio.msg import Msg

from actors.trouble.counted import Counted, decoded, encoded
from engine.nats import streams
from engine.nats.address import parse_url
from engine.nats.api import Refused, Unanswered
from engine.nats.bucket import Bucket, Conflict
from engine.nats.incident_requests import Answer, Change, Kept, packed, refusal_of, request_of
from engine.nats.lease import LEAVE_SECONDS, Lease
from engine.nats.link import Link
from model.errors import TailraceError
from model.subjects import LogNames, token

#: Renewals within a lease.
_RENEWALS: Final = 5
_LEADER: Final = "leader"
#: Bytes of an engine's name, before what it counted; of a message's headers.
_NAME_BYTES: Final = 16
_HEADER_BYTES: Final = 1024

log = logging.getLogger(__name__)


class IncidentBus:
    """Belongs to one event loop.

    :param url: of the bus.
    :ivar me: names this engine, for as long as it runs.
    :ivar too_large: counts of a tick, and state, that no message of this server could hold.
    """

    def __init__(self, url: str) -> None:
        settings, connection = parse_url(url)
        names = LogNames(settings.log)
        self.me = secrets.token_hex(8)
        self.too_large = 0
        self._link = Link(connection)
        self._counts, self._ill = names.counts, names.ill
        self._asked = (names.incident_reads, names.incident_changes)
        self._seconds = settings.lease_seconds
        self._leases = Bucket(self._link, streams.incident_leases(names, settings))
        self._rows = Bucket(self._link, streams.incident_rows(names, settings))
        self._states = Bucket(self._link, streams.detector_state(names, settings))
        self._unsaved: dict[tuple[Bucket, str], bytes | None] = {}
        self._changed = asyncio.Event()
        self._revision = 0

    async def open(self) -> None:
        """Connect, and make the buckets.

        :raises TailraceError: if the server is not there, refuses this client, or has no JetStream.
        """
        await self._link.open()
        await self._leases.open()
        await self._rows.open()
        await self._states.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def lead(self) -> Lease:
        """Returns once this engine leads: nobody else does."""
        lease = Lease(self._seconds)
        while True:
            with contextlib.suppress(Conflict, Unanswered):
                held = await self._leases.get(_LEADER)
                if held is None or not held.value:
                    sent_at = lease.clock()
                    self._revision = await self._leases.update(
                        _LEADER, self.me.encode(), held.revision if held else 0
                    )
                    lease.renewed(sent_at)
                    self._unsaved.clear()  # of an earlier time: others have gone on since
                    return lease
            await asyncio.sleep(self._seconds / _RENEWALS)

    async def keep(self, lease: Lease) -> None:
        """Returns when it leads no more: somebody else may."""
        while lease.held:
            await asyncio.sleep(self._seconds / _RENEWALS)
            sent_at = lease.clock()
            try:
                self._revision = await self._leases.update(_LEADER, self.me.encode(), self._revision)
            except Unanswered:
                continue
            except (Conflict, Refused):
                return
            lease.renewed(sent_at)

    async def leave(self) -> None:
        """Lead no more, if the server answers."""
        with contextlib.suppress(Unanswered, Refused, Conflict, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._leases.update(_LEADER, b"", self._revision)

    async def tell(self, counted: Counted) -> None:
        """To whoever leads; what gets lost is missing there, and that is said."""
        messages = encoded(counted, self._link.max_payload - _NAME_BYTES)
        self.too_large += not messages
        for message in messages:
            await self._link.publish(self._counts, self.me.encode() + message)

    @contextlib.asynccontextmanager
    async def hearing(self, take: Callable[[str, Counted], Awaitable[None]]) -> AsyncIterator[None]:
        """What other engines count is taken while the block runs."""

        async def came(message: Msg) -> None:
            who = message.data[:_NAME_BYTES].decode("ascii", "replace")
            if who == self.me:
                return
            try:
                counted = decoded(message.data[_NAME_BYTES:])
            except ValueError as error:
                log.warning("what an engine counted is not read: %s", error)
                return
            await take(who, counted)

        listening = await self._link.listen(self._counts, came)
        try:
            yield
        finally:
            await self._link.unlisten(listening)

    async def say_ill(self, edges: np.ndarray) -> None:
        """To all who count; of those that no message holds the first."""
        data = edges[: self._link.max_payload // 8].astype("<u8").tobytes()
        await self._link.publish(self._ill, data)

    async def hear_ill(self, take: Callable[[np.ndarray], None]) -> None:
        """Edges with findings, ascending, whenever whoever leads has looked."""

        async def came(message: Msg) -> None:
            if len(message.data) % 8 == 0:
                take(np.frombuffer(message.data, "<u8"))

        await self._link.listen(self._ill, came)

    @contextlib.asynccontextmanager
    async def answering(self, act: Callable[[Kept | Change], Awaitable[Any]]) -> AsyncIterator[None]:
        """Whoever asks for incidents, or changes some, is answered while the block runs.

        :param act: gives the answer; what it refuses is answered, too.
        """

        async def came(message: Msg) -> None:
            try:
                answer = Answer(msgspec.to_builtins(await act(request_of(message.subject, message.data))))
            except TailraceError as error:
                answer = refusal_of(error)
            await self._link.publish(message.reply, packed(answer, self._link.max_payload))

        listening = [await self._link.listen(subject, came) for subject in self._asked]
        await self._link.heard()  # whoever learns that this engine leads can ask it
        try:
            yield
        finally:
            for each in listening:
                await self._link.unlisten(each)

    async def rows(self) -> dict[str, Any]:
        """The last value of each key, as whoever led before left them; waits for the server."""
        kept = await self._link.until_answered(lambda: self._rows.entries(">"))
        pairs = [msgspec.msgpack.decode(entry.value) for entry in kept.values() if entry.value]
        return {key: value for key, value in pairs if value is not None}

    async def states(self) -> dict[str, bytes]:
        """What is usual, as whoever led before kept it; waits for the server."""
        kept = await self._link.until_answered(lambda: self._states.entries(">"))
        return {key: zlib.decompress(entry.value) for key, entry in kept.items() if entry.value}

    def save(self, rows: Mapping[str, Any]) -> None:
        """Soon; None takes a key away. Of a key that changes meanwhile the newest value is kept."""
        for key, value in rows.items():
            data = None if value is None else msgspec.msgpack.encode((key, value))
            self._unsaved[self._rows, token(key)] = data
        self._changed.set()

    def save_state(self, key: str, state: bytes) -> None:
        """Likewise, of what is usual."""
        data = zlib.compress(state, 1)
        if len(data) > self._link.max_payload - _HEADER_BYTES:
            self.too_large += 1
            return
        self._unsaved[self._states, key] = data
        self._changed.set()

    async def saving(self) -> None:
        """Saves what there is to be saved, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._unsaved:
                place = next(iter(self._unsaved))
                value = self._unsaved.pop(place)
                try:
                    await self._link.until_answered(partial(self._save, *place, value))
                except Refused as error:
                    log.warning("an engine that takes over will not know all incidents: %s", error)

    async def _save(self, bucket: Bucket, key: str, value: bytes | None) -> None:
        if value is None:
            await bucket.drop(key)
        else:
            await bucket.put(key, value)
