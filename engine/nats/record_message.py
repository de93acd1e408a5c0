"""A record as a NATS message: the value is the payload as it is, everything else are headers.

A message without these headers is a record as well, so any program can send one with a plain publish.
"""

import base64
from collections.abc import Mapping

import msgspec

from engine.log_record import Headers, Record

MESSAGE_ID = "Nats-Msg-Id"
_KEY = "Tailrace-Key"
_TIME = "Tailrace-Time"
_HEADERS = "Tailrace-Headers"
_NO_VALUE = "Tailrace-No-Value"

#: Bytes that the server's storage adds to a message, at most.
STORAGE_OVERHEAD = 34

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


def to_message(record: Record, message_id: str) -> tuple[bytes, dict[str, str]]:
    """Payload and headers. Binary ones are base64."""
    headers = {MESSAGE_ID: message_id, _TIME: repr(record.timestamp)}
    if record.key is not None:
        headers[_KEY] = base64.b64encode(record.key).decode()
    if record.headers:
        headers[_HEADERS] = base64.b64encode(_pack(list(record.headers))).decode()
    if record.value is None:
        headers[_NO_VALUE] = "1"
    return record.value or b"", headers


def from_message(payload: bytes, headers: Mapping[str, str] | None, stored_at: float) -> Record:
    """The record; its time is when it was stored, in seconds of the epoch, unless it tells its own.

    :raises ValueError: if the headers are not those of ``to_message``.
    """
    if not headers:
        return Record(None, payload, (), stored_at)
    key, more, sent_at = headers.get(_KEY), headers.get(_HEADERS), headers.get(_TIME)
    pairs: Headers = tuple(_unpack(base64.b64decode(more))) if more else ()
    return Record(
        None if key is None else base64.b64decode(key),
        None if _NO_VALUE in headers else payload,
        pairs,
        stored_at if sent_at is None else float(sent_at),
    )


def size_of(subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
    """Bytes that the message takes in its stream, at most."""
    lines = sum(len(name) + len(value) + 4 for name, value in headers.items())
    return len(subject) + len(payload) + lines + len("NATS/1.0\r\n\r\n") + STORAGE_OVERHEAD
