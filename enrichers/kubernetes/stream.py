"""The lines of a watch: bytes in, events out. Pure."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from enrichers.kubernetes.failures import Failure, failure_of
from enrichers.kubernetes.objects import ErrorEvent, Event
from enrichers.kubernetes.resources import Resource

#: Bytes of one line at most: etcd holds objects of 1.5 MB, whose JSON may be some times that.
LONGEST_LINE: Final = 16 << 20

_ERRORS: Final = msgspec.json.Decoder(ErrorEvent)


class EventStream:
    """One watch of a resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._decoder = resource.event_decoder()
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event[Any]]:
        """The events that end in ``data``.

        :raises Failure: if the server ends the watch with an error, or sends what is no event.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise Failure(f"an event of {self._resource.plural} is longer than {LONGEST_LINE} bytes")
        return (self._decode(line) for line in lines if line)

    def _decode(self, line: bytes) -> Event[Any]:
        try:
            return self._decoder.decode(line)
        except msgspec.ValidationError as error:
            raise self._failure(line, error) from error
        except msgspec.DecodeError as error:
            raise Failure(f"the watch of {self._resource.plural} is not JSON: {error}") from error

    def _failure(self, line: bytes, error: msgspec.ValidationError) -> Failure:
        """An error's object is a metav1.Status, whose field ``status`` is a text: it fits no other kind."""
        with contextlib.suppress(msgspec.ValidationError):
            event = _ERRORS.decode(line)
            if event.type == "ERROR":
                return failure_of(event.object, self._resource)
        return Failure(f"an event of {self._resource.plural} is not understood: {error}")
