"""``tailrace replay`` and the recordings of the repository: the same file gives the same bytes, without root."""

import asyncio
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.journal import JOURNAL, read
from engine import graphs
from engine import role as roles
from engine.actor import ActorStatistics
from engine.config import Config, TroubleConfig
from engine.recording.file import Recording
from engine.recording.format import Frame
from engine.recording.replay import MAX, ReplaySource
from model.batch import Batch
from model.kind import Kind
from model.kinds.delta import Role
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from model.ledger import Ledger
from tests.configured import configured
from tests.declared import EVENT_TYPES
from tests.eventually import eventually
from tests.plain_rows import plain_rows
from tests.recordings import traffic
from tests.recordings.golden import golden, replayed
from tests.recordings.make import HERE, KINDS
from tests.scripted_sink import ScriptedSink
from tests.unit.engine.recording.recorded_frames import snapshot_frame, write_whole
from tests.unprivileged import unprivileged

TAILRACE = str(Path(sys.executable).parent / "tailrace")


def tailrace(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs it as a user without any right."""
    return subprocess.run(
        [*unprivileged(), TAILRACE, *arguments], capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_recording_gives_its_golden_output_byte_for_byte(kind: str, tmp_path: Path) -> None:
    """Twice as fast as can be, and once at a pace: messages and JSON lines are those in the repository."""
    expected = (HERE / f"{kind}.golden").read_text()
    for number, speed in enumerate((MAX, MAX, 100.0)):
        lines = tmp_path / str(number)
        batches = await replayed(HERE / f"{kind}.tlr", lines, speed)
        assert golden(batches, lines.read_bytes()) == expected


async def test_the_rows_of_short_connections_are_what_was_sent(tmp_path: Path) -> None:
    """Each connection has the bytes that its number says, on both sides; refused ones have none."""
    batches = await replayed(HERE / "short.tlr", tmp_path / "lines")
    rows = [row for batch in batches for row in plain_rows(batch)]
    numbers = range(traffic.SHORT + traffic.RESET)
    for role, one, other in ((Role.CLIENT, "tx_bytes", "rx_bytes"), (Role.SERVER, "rx_bytes", "tx_bytes")):
        closed = [row for row in rows if row["connection.closed"] and row["connection.role"] == role]
        moved = sorted((row[one], row[other]) for row in closed)
        assert moved == [(traffic.UP + number, traffic.DOWN + number) for number in numbers]
    assert sum(row["connection.failed"] for row in rows) == traffic.REFUSED


async def test_the_sums_of_long_connections_are_what_was_sent(tmp_path: Path) -> None:
    """Over several windows, also for sockets that were open before."""
    batches = await replayed(HERE / "long.tlr", tmp_path / "lines")
    assert len({batch.window for batch in batches}) >= 3
    sums: dict[int, list[int]] = {}
    for row in (
        row for batch in batches for row in plain_rows(batch) if row["connection.role"] == Role.CLIENT
    ):
        sent = sums.setdefault(row["socket.slot"], [0, 0])
        sent[0] += row["tx_bytes"]
        sent[1] += row["rx_bytes"]
    rounds = traffic.ROUNDS
    expected = [[rounds * (traffic.UP + n), rounds * (traffic.DOWN + n)] for n in range(traffic.LONG)]
    assert sorted(sums.values()) == expected


async def test_flows_and_their_workloads_reach_different_sinks() -> None:
    """Each sink gets the rows of its stage alone, and the sums of both are the same."""
    sinks = {"flows": ScriptedSink(), "workloads": ScriptedSink(), "deltas": ScriptedSink()}
    source = ReplaySource(Recording(HERE / "short.tlr", EVENT_TYPES), MAX)
    role = graphs.replay(Config(), configured(sinks, {stage: stage for stage in sinks}), source)
    await role.run()
    assert {name: {batch.kind.plural for batch in sink.taken} for name, sink in sinks.items()} == {
        stage: {stage} for stage in sinks
    }
    opened = {
        kind.plural: sum(_opened(batch, kind) for batch in sinks[kind.plural].taken)
        for kind in (FLOW, WORKLOAD)
    }
    assert opened == dict.fromkeys(opened, traffic.SHORT + traffic.RESET)
    assert role.ledger.stages["workloads"].received == sum(map(len, sinks["flows"].taken))


async def test_trouble_is_looked_for_in_a_recording(tmp_path: Path) -> None:
    """Beside the incidents that are kept there; sinks get what they get without."""
    rows = []
    for trouble in (TroubleConfig(), TroubleConfig("on", str(tmp_path), tick_seconds=1)):
        sink = ScriptedSink()
        source = ReplaySource(Recording(HERE / "short.tlr", EVENT_TYPES), MAX)
        role = graphs.replay(Config(trouble=trouble), configured({"kept": sink}, "flows"), source)
        await role.run()
        rows.append([row for batch in sink.taken for row in batch.rows()])
    assert rows[0] == rows[1] != []
    assert role.ledger.stages["incidents"].delivered >= 1
    assert read(tmp_path / "replay" / JOURNAL) == {}


def test_no_root_is_needed() -> None:
    """A user without rights gets the same lines on standard output, and a word of what it was."""
    ended = tailrace(
        "replay", str(HERE / "short.tlr"), "--speed", "max", "--stage", "deltas", "--sink", "jsonl:-"
    )
    assert ended.returncode == 0, ended.stderr
    digest = hashlib.sha256(ended.stdout).hexdigest()
    assert f"JSON lines, sha256 {digest}\n" in (HERE / "short.golden").read_text()
    assert ended.stderr.decode() == f"{HERE}/short.tlr: {count_frames('short')} frames, 0.0 s\n"


def count_frames(kind: str) -> int:
    """Frames of a recording of the repository."""
    return len(list(Recording(HERE / f"{kind}.tlr", EVENT_TYPES).frames()))


def test_a_recording_that_was_cut_is_replayed_and_called_so(public: Path) -> None:
    """What is whole comes out; the exit code is good, for nothing failed."""
    cut = public / "cut.tlr"
    cut.write_bytes((HERE / "long.tlr").read_bytes()[:-40])
    ended = tailrace("replay", str(cut), "--speed", "max", "--stage", "deltas", "--sink", "jsonl:-")
    assert ended.returncode == 0
    assert ended.stdout.count(b'"kind":"delta"') > 0
    assert ended.stderr.decode().endswith("; the recording is cut short\n")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("/nonexistent",), 1, "cannot read /nonexistent (No such file or directory): name a recording"),
        (("/etc",), 1, "cannot read /etc (Is a directory): name a recording"),
        (
            ("/etc/hostname",),
            1,
            "cannot replay /etc/hostname: it is no recording: make one with `tailrace record`",
        ),
        ((str(HERE / "short.tlr"), "--speed", "0"), 2, "'0' is neither a positive number nor max"),
        ((str(HERE / "short.tlr"), "--speed", "nan"), 2, "'nan' is neither a positive number nor max"),
        ((str(HERE / "short.tlr"), "--sink", "nope"), 2, "unknown sink 'nope'"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: tuple[str, ...], code: int, complaint: str) -> None:
    """Bad input ends with the documented exit code and a line that says what to do."""
    ended = tailrace("replay", *arguments)
    assert ended.returncode == code
    assert complaint in ended.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in ended.stderr


def test_damage_is_an_error(public: Path) -> None:
    """The exit code says that not everything was replayed."""
    damaged = public / "damaged.tlr"
    data = bytearray((HERE / "long.tlr").read_bytes())
    data[-3] ^= 0xFF  # in the end mark
    damaged.write_bytes(data)
    ended = tailrace("replay", str(damaged), "--speed", "max", "--stage", "deltas", "--sink", "jsonl:-")
    assert ended.returncode == 1
    assert f"cannot replay {damaged}: a record is damaged (".encode() in ended.stderr.splitlines()[-1]
    assert b"Traceback" not in ended.stderr


async def test_a_slow_sink_delays_the_replay_and_loses_nothing(tmp_path: Path) -> None:
    """More batches than all queues hold: the source is held up, and all come, in order, when it takes them again."""
    empty, count = snapshot_frame(0, 0), 600
    frames = [Frame(0, replace(empty, window=window).encode()) for window in range(count)]
    recording = Recording(write_whole(tmp_path / "r", frames), EVENT_TYPES)
    sink, ledger = ScriptedSink(slow=True), Ledger()
    role = graphs.replay(Config(), configured({"slow": sink}, "deltas"), ReplaySource(recording, MAX), ledger)
    running = asyncio.create_task(role.run())
    try:
        await eventually(lambda: all(one.waiting == one.limit for one in held_up(role)))
        assert ledger.stages["frames"].received < count
    finally:
        sink.gate.set()
        async with asyncio.timeout(30):
            await running
    assert [batch.window for batch in sink.taken] == list(range(count))
    assert ledger.lost == 0


def held_up(subject: roles.Role) -> list[ActorStatistics]:
    """All actors but the first, which reads a topic."""
    return list(subject.graph.statistics().values())[1:]


async def test_stop_ends_a_replay_whose_sink_is_stuck(tmp_path: Path) -> None:
    """What was under way is counted as lost."""
    empty = snapshot_frame(0, 0)
    frames = [Frame(0, replace(empty, window=window).encode()) for window in range(400)]
    recording = Recording(write_whole(tmp_path / "r", frames), EVENT_TYPES)
    sink, ledger = ScriptedSink(slow=True), Ledger()
    role = graphs.replay(Config(), configured({"slow": sink}, "deltas"), ReplaySource(recording, MAX), ledger)
    running = asyncio.create_task(role.run())
    await sink.entered.wait()
    role.stop()
    async with asyncio.timeout(20):
        await running
    assert sink.taken == []
    assert ledger.stages["sink.slow"].balanced


def _opened(batch: Batch, kind: Kind) -> int:
    assert kind.traffic is not None
    return int(kind.traffic.lives(batch.columns, "opened").sum())
