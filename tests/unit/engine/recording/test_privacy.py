"""A recording can be given away: arguments of programs are not in it."""

from pathlib import Path

import numpy as np
import pytest

from engine.recording.file import Recording, RecordingWriter
from engine.recording.format import Frame
from engine.recording.privacy import Privacy
from engine.recording.recorder import Recorder
from model.ledger import Ledger
from probes.kernel.frames import EventFrame, decode
from probes.kernel.layout import structs
from tests.declared import EVENT_TYPES, KIND
from tests.unit.engine.recording.recorded_frames import ORIGIN, event_frame, snapshot_frame

SECRET = b"--password=hunter2"


def executions() -> EventFrame:
    """Ends of sockets with an execution between them."""
    events = event_frame(3).events
    execution = np.zeros(1, structs("process")["exec_event"])
    execution["header"]["kind"] = KIND["KIND_EXEC"]
    execution["pid"], execution["executable"], execution["arguments"] = 7, b"/bin/app", SECRET
    execution["arguments_bytes"] = 300
    events[1] = execution.view(events.dtype)[0]
    return EventFrame(9, events)


def test_arguments_are_left_out_and_nothing_else() -> None:
    """Path and process stay, and so do the events beside them."""
    frame = executions()
    left = decode(Privacy(EVENT_TYPES).without(frame.encode()))
    assert isinstance(left, EventFrame)
    (execution,) = left.events[1:2].view(structs("process")["exec_event"])
    assert (execution["pid"], execution["executable"], execution["arguments"]) == (7, b"/bin/app", b"")
    assert execution["arguments_bytes"] == 0
    assert left.offset_ns == 9
    assert (left.events[[0, 2]] == frame.events[[0, 2]]).all()


@pytest.mark.parametrize("frame", [event_frame(5).encode(), snapshot_frame(2, 1).encode()])
def test_other_frames_are_the_same_bytes(frame: bytes) -> None:
    """Nothing is packed anew."""
    assert Privacy(EVENT_TYPES).without(frame) is frame


async def test_the_file_has_no_arguments(tmp_path: Path) -> None:
    """What the recorder writes is without them."""
    recorder = Recorder(RecordingWriter(tmp_path / "r", EVENT_TYPES), Ledger(), EVENT_TYPES)
    await recorder.start(ORIGIN, 8 << 20)
    recorder.offer(executions().encode())
    recorder.finish()
    await recorder.run()
    recording = Recording(tmp_path / "r", EVENT_TYPES)
    (frame,) = [record for record in recording.frames() if isinstance(record, Frame)]
    assert SECRET not in frame.data
    assert b"/bin/app" in frame.data
