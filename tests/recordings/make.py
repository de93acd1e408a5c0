"""Makes the recordings: ``sudo .venv/bin/python -m tests.recordings.make``, then ``-m tests.recordings.golden``."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

import msgspec
import numpy as np

from engine.recording.file import Recording, RecordingWriter
from engine.recording.format import End, Frame
from model.frame_source import Origin
from probes.kernel.frames import EventFrame, RingFrame, SnapshotFrame, decode
from probes.kernel.layout import structs
from tests.declared import EVENT_TYPES, KIND

HERE: Final = Path(__file__).parent
KINDS: Final = ("short", "long")
ORIGIN: Final = Origin("golden", "00000000-0000-0000-0000-000000000001", 65536)

_CGROUP: Final = KIND["KIND_CGROUP"]
_ENDS: Final = (KIND["KIND_CLOSE"], KIND["KIND_FAIL"])


def record(kind: str, path: Path) -> int:
    """Records ``kind`` of traffic; returns the inode of the network namespace it was in."""
    traffic = _start("unshare", "--net", sys.executable, "-m", "tests.recordings.traffic", kind)
    netns = int(_pipe(traffic.stdout).readline())
    tailrace = str(Path(sys.executable).parent / "tailrace")
    recorder = _start(tailrace, "record", str(path))
    while not (path.exists() and path.stat().st_size):  # made when every hook is attached
        assert recorder.poll() is None, "see what `tailrace record` said"
        time.sleep(0.02)
    _pipe(traffic.stdin).write("go\n")
    _pipe(traffic.stdin).flush()
    assert traffic.wait() == 0
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait() == 0
    return netns


def _start(*command: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"TAILRACE_NODE": ORIGIN.node}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


class Filter:
    """Leaves only what happened in one network namespace: the rest of the machine is nobody's business.

    The names of cgroups become ``machine.slice`` and ``traffic.service``.
    """

    def __init__(self, recording: Recording, netns: int) -> None:
        self._recording = recording
        self._netns = netns
        self._generations = np.zeros(recording.header.slots, np.uint32)  # of our sockets, by slot
        self._parents: dict[int, int] = {}
        self._own: set[int] = set()  # cgroups of our sockets
        self._look_through()
        self._above = set(self._ancestors())

    def frames(self) -> Iterator[Frame]:
        """Frames of what is left; frames of events that have none left are left out."""
        for recorded in self._recording.frames():
            frame = decode(recorded.data)
            if isinstance(frame, SnapshotFrame):
                yield Frame(recorded.at_ns, self._snapshot(frame).encode())
            elif isinstance(frame, EventFrame) and len(events := self._events(frame.events)):
                yield Frame(recorded.at_ns, EventFrame(frame.offset_ns, events).encode())

    def _look_through(self) -> None:
        recording = Recording(self._recording.path, EVENT_TYPES)
        for recorded in recording.frames():
            frame = decode(recorded.data)
            if isinstance(frame, RingFrame):
                continue
            described = frame.events["socket"] if isinstance(frame, EventFrame) else frame.descriptions
            if isinstance(frame, EventFrame):
                for cgroup in frame.events[_is_cgroup(frame.events)].view(structs("kernel")["cgroup_event"]):
                    self._parents[int(cgroup["id"])] = int(cgroup["parent"])
            self._own |= set(described["owner"]["cgroup_id"][described["netns"] == self._netns].tolist())
        recording.close()

    def _ancestors(self) -> Iterator[int]:
        for cgroup in self._own:
            while cgroup := self._parents.get(cgroup, 0):
                yield cgroup

    def _events(self, events: np.ndarray) -> np.ndarray:
        kept = events.copy()
        named = _is_cgroup(kept)
        cgroups = kept[named].view(structs("kernel")["cgroup_event"])
        names = np.where(np.isin(cgroups["id"], list(self._own)), b"traffic.service", b"machine.slice")
        cgroups["name"] = np.where(cgroups["name"] == b"", b"", names)
        kept[named] = cgroups.view(structs("tcp")["socket_event"])
        ours = (kept["socket"]["netns"] == self._netns) & np.isin(kept["header"]["kind"], _ENDS)
        ours[named] = np.isin(cgroups["id"], [*self._own, *self._above])
        left: np.ndarray = kept[ours]
        return left

    def _snapshot(self, frame: SnapshotFrame) -> SnapshotFrame:
        new = frame.descriptions["netns"] == self._netns
        self._generations[frame.new_slots[new]] = frame.descriptions["generation"][new]
        live = (self._generations[frame.slots] == frame.cells["generation"]) & (
            frame.cells["generation"] != 0
        )
        cells = frame.cells[live].copy()
        cells["socket"] = 1  # addresses in the kernel are nobody's business either
        return replace(
            frame,
            slots=frame.slots[live],
            cells=cells,
            new_slots=frame.new_slots[new],
            descriptions=frame.descriptions[new],
        )


def _is_cgroup(events: np.ndarray) -> np.ndarray:
    found: np.ndarray = events["header"]["kind"] == _CGROUP
    return found


def keep(recording: Recording, netns: int, path: Path) -> None:
    """Writes what belongs into the repository."""
    writer = RecordingWriter(path, EVENT_TYPES, force=True)
    header = msgspec.structs.replace(recording.header, node=ORIGIN.node, boot=ORIGIN.boot)
    writer.open(header)
    last = 0
    for frame in Filter(recording, netns).frames():
        writer.append(frame)
        last = frame.at_ns
    writer.append(End(last))
    writer.close()


def main() -> None:
    """Makes all of them anew."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            raw = Path(folder) / kind
            netns = record(kind, raw)
            keep(Recording(raw, EVENT_TYPES), netns, HERE / f"{kind}.tlr")


if __name__ == "__main__":
    main()
