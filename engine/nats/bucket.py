"""A key-value bucket: the last value of each key, each with a revision that fences whoever is behind."""

import base64
from dataclasses import dataclass
from typing import Any

from engine.nats.api import NO_MESSAGE, NO_STREAM, WRONG_SEQUENCE, NoStream, Refused
from engine.nats.link import Link
from engine.nats.streams import Stream, make

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"


class Conflict(Exception):
    """Somebody else wrote the key meanwhile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and its revision."""

    value: bytes
    revision: int


class Bucket:
    """A bucket. All reads are answered by the leader of its stream, so none is stale.

    One that is gone from the server is made again, and empty.

    :param stream: as it is declared.
    """

    def __init__(self, link: Link, stream: Stream) -> None:
        self._link = link
        self._stream = stream
        self._prefix = stream.subjects[0].removesuffix(">")

    async def open(self) -> None:
        """Make the bucket unless it exists; waits for the server.

        :raises UsageError: if it exists with another configuration.
        """
        await self._link.until_answered(self._make)

    async def _make(self) -> None:
        await make(self._link.api, self._stream)

    async def get(self, key: str) -> Entry | None:
        """The value of a key. Raises as ``Link.ask`` does."""
        return (found := await self._find({"last_by_subj": self._prefix + key})) and found[1]

    async def entries(self, pattern: str) -> dict[str, Entry]:
        """All keys of a pattern with their values."""
        entries: dict[str, Entry] = {}
        after = 0
        while found := await self._find({"seq": after + 1, "next_by_subj": self._prefix + pattern}):
            key, entry = found
            entries[key] = entry
            after = entry.revision
        return entries

    async def _find(self, wanted: dict[str, Any]) -> tuple[str, Entry] | None:
        try:
            reply = await self._link.api(f"STREAM.MSG.GET.{self._stream.name}", wanted)
        except Refused as error:
            if error.code == NO_STREAM:
                await self._make()
            elif error.code != NO_MESSAGE:
                raise
            return None
        message = reply["message"]
        entry = Entry(base64.b64decode(message.get("data", "")), int(message["seq"]))
        return str(message["subject"]).removeprefix(self._prefix), entry

    async def put(self, key: str, value: bytes) -> int:
        """Write, whatever is there; returns the revision."""
        return await self._write(key, value, None)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key still has that revision, 0 if it does not exist; returns the new revision.

        :raises Conflict: if not.
        """
        return await self._write(key, value, {_EXPECTED: str(revision)})

    async def _write(self, key: str, value: bytes, headers: dict[str, str] | None) -> int:
        try:
            reply = await self._link.ask(self._prefix + key, value, headers)
        except NoStream:
            await self._make()  # if that was it, the next attempt succeeds
            raise
        except Refused as error:
            if error.code == WRONG_SEQUENCE:
                raise Conflict(key) from None
            raise
        return int(reply["seq"])

    async def drop(self, key: str) -> None:
        """Remove a key."""
        await self._link.api(f"STREAM.PURGE.{self._stream.name}", {"filter": self._prefix + key})
