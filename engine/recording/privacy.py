"""What a recording leaves out: fields that probes declare to be private, such as arguments of programs."""

from dataclasses import replace

import numpy as np

from probes.kernel.event_types import EventTypes
from probes.kernel.frames import EventFrame, RingFrame, decode


class Privacy:
    """Takes out of frames what no recording keeps."""

    def __init__(self, event_types: EventTypes) -> None:
        self._event_types = event_types
        private = event_types.private
        self._shared = {name: fields for name, fields in private.items() if name in event_types.shared}
        self._own = {
            ring: fields
            for ring in event_types.rings
            if (fields := private.get(event_types.struct_name(ring)))
        }

    def without(self, data: bytes) -> bytes:
        """The same frame with zeros in private fields. One that has none is left as it is.

        :raises ValueError: if it is no frame.
        """
        frame = decode(data)
        if isinstance(frame, EventFrame):
            return self._without_shared(frame) or data
        if isinstance(frame, RingFrame) and (fields := self._own.get(frame.ring)):
            events = np.frombuffer(frame.records, self._event_types.struct_of(frame.ring)).copy()
            _clear(events, fields)
            return replace(frame, records=events.tobytes()).encode()
        return data

    def _without_shared(self, frame: EventFrame) -> bytes | None:
        events: np.ndarray | None = None
        for struct, fields in self._shared.items():
            mine = np.isin(frame.events["header"]["kind"], self._event_types.kinds_of(struct))
            if mine.any():
                events = np.array(frame.events) if events is None else events
                theirs = events[mine].view(self._event_types.structs[struct])
                _clear(theirs, fields)
                events[mine] = theirs.view(events.dtype)
        return None if events is None else replace(frame, events=events).encode()


def _clear(events: np.ndarray, fields: tuple[str, ...]) -> None:
    for field in fields:
        events[field] = np.zeros((), events.dtype[field])
