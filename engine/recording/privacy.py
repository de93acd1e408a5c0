"""What a recording leaves out: arguments of programs, which may be secrets and are needed for no number."""

from dataclasses import replace
from typing import Final

import numpy as np

from probes.kernel.frames import EventFrame, decode
from probes.kernel.layout import enums, structs

_EXEC: Final = enums()["event_kind"]["KIND_EXEC"]


def without_arguments(data: bytes) -> bytes:
    """The same frame; executions in it keep the executable, and no arguments. Anything else is left as it is.

    :raises ValueError: if it is no frame.
    """
    frame = decode(data)
    if not isinstance(frame, EventFrame):
        return data
    executed = frame.events["header"]["kind"] == _EXEC
    if not executed.any():
        return data
    events = np.array(frame.events)
    executions = events[executed].view(structs()["exec_event"])
    executions["arguments"], executions["arguments_bytes"] = b"", 0
    events[executed] = executions.view(events.dtype)
    return replace(frame, events=events).encode()
