"""A key-value bucket: the last value of each key, each with a revision that fences whoever is behind."""

import base64
from dataclasses import dataclass
from typing import Any

from engine.nats.link import (
    NO_MESSAGE,
    OTHER_CONFIGURATION,
    WRONG_SEQUENCE,
    Link,
    Refused,
)
from model.errors import UsageError

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"

#: Nanoseconds that JetStream remembers message ids unless a stream keeps messages for less.
_DEDUPLICATION_NS = 120 * 10**9


class Conflict(Exception):
    """Somebody else wrote the key meanwhile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and its revision."""

    value: bytes
    revision: int


class Bucket:
    """A bucket. All reads are answered by the leader of its stream, so none is stale.

    :param ttl: seconds after which a key that was not written again is gone; 0 for never.
    """

    def __init__(self, link: Link, bucket: str, *, storage: str, replicas: int, ttl: float = 0) -> None:
        self._link = link
        self.bucket = bucket
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."
        self._storage = storage
        self._replicas = replicas
        self._ttl_ns = int(ttl * 1e9)

    async def open(self) -> None:
        """Make the bucket unless it exists; waits for the server.

        :raises UsageError: if it exists with another configuration.
        """
        try:
            await self._link.insist(f"STREAM.CREATE.{self._stream}", self._configuration())
        except Refused as error:
            if error.code == OTHER_CONFIGURATION:
                raise UsageError(
                    f"the bucket {self.bucket} exists with other settings",
                    "give every app the same lease_seconds, storage and replicas, or remove the bucket",
                ) from None
            raise

    def _configuration(self) -> dict[str, Any]:
        return {
            "name": self._stream,
            "subjects": [f"{self._prefix}>"],
            "retention": "limits",
            "storage": self._storage,
            "num_replicas": self._replicas,
            "max_msgs_per_subject": 1,
            "max_age": self._ttl_ns,
            "duplicate_window": min(self._ttl_ns or _DEDUPLICATION_NS, _DEDUPLICATION_NS),
            "discard": "new",
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        }

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
            reply = await self._link.api(f"STREAM.MSG.GET.{self._stream}", wanted)
        except Refused as error:
            if error.code == NO_MESSAGE:
                return None
            raise
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
        except Refused as error:
            if error.code == WRONG_SEQUENCE:
                raise Conflict(key) from None
            raise
        return int(reply["seq"])

    async def drop(self, key: str) -> None:
        """Remove a key."""
        await self._link.api(f"STREAM.PURGE.{self._stream}", {"filter": self._prefix + key})
