"""``tailrace record`` on the real kernel: what was recorded is what was seen."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.recording.file import CUT, Recording
from tests.declared import EVENT_TYPES
from tests.kernel.loopback import DEADLINE_SECONDS, connect, listening, until
from tests.unprivileged import unprivileged

TAILRACE = str(Path(sys.executable).parent / "tailrace")
DEADLINE = 30.0
#: Of a start, which compiles, and on a new machine makes the header tree first.
START_SECONDS = 12 * DEADLINE_SECONDS

pytestmark = pytest.mark.kernel

Start = Callable[..., "subprocess.Popen[str]"]


def wait_until_it_records(path: Path, process: "subprocess.Popen[str]") -> None:
    """Returns when every hook is attached: the file is made then."""
    assert until(
        lambda: process.poll() is not None or (path.exists() and path.stat().st_size > 0), START_SECONDS
    )
    assert process.poll() is None, process.communicate()[1]


def delta_lines(path: Path) -> list[str]:
    """The rows of a jsonl file as they stand in it, but for who was there: that is asked of the living."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        json.dumps({key: value for key, value in row.items() if key != "entity"})
        for row in rows
        if row["kind"] == "delta"
    ]


def talk(count: int) -> int:
    """So many connections that move 1000 + n bytes up and 2000 + n down; returns the server's port."""
    with listening() as listener:
        for number in range(count):
            connection = connect(listener)
            connection.exchange(1000 + number, 2000 + number)
            connection.close()
        port: int = listener.getsockname()[1]
        return port


def test_a_replay_gives_the_rows_of_the_run_that_was_recorded(start: Start, tmp_path: Path) -> None:
    """Line for line, and known connections are among them with all their bytes."""
    file, live, later = tmp_path / "r.tlr", tmp_path / "live", tmp_path / "later"
    process = start("record", str(file), "--stage", "deltas", "--sink", f"jsonl:{live}")
    wait_until_it_records(file, process)
    port = talk(40)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    assert f"{file.stat().st_size:,} bytes" in said
    again = start("replay", str(file), "--speed", "max", "--stage", "deltas", "--sink", f"jsonl:{later}")
    assert again.wait(DEADLINE) == 0
    assert delta_lines(later) == delta_lines(live)
    rows = [json.loads(line) for line in delta_lines(later)]
    servers = [row for row in rows if row.get("network.local.port") == port and row.get("connection.closed")]
    assert sorted(row["rx_bytes"] for row in servers) == [1000 + number for number in range(40)]
    assert sorted(row["tx_bytes"] for row in servers) == [2000 + number for number in range(40)]


def test_a_recording_of_a_process_that_was_killed_is_readable(start: Start, tmp_path: Path) -> None:
    """Everything up to the last frame that was written."""
    file = tmp_path / "r.tlr"
    process = start("record", str(file))
    wait_until_it_records(file, process)
    begin = file.stat().st_size
    talk(10)
    assert until(lambda: file.stat().st_size > begin)
    process.kill()
    process.wait()
    recording = Recording(file, EVENT_TYPES)
    assert len(list(recording.frames())) >= 1
    assert recording.complaint == CUT


def test_the_duration_is_that_of_the_recording(start: Start, tmp_path: Path) -> None:
    """Loading the probe does not count."""
    file = tmp_path / "r.tlr"
    process = start("record", str(file), "--duration", "1")
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    assert 1 <= float(said.split(" frames, ")[1].split(" s, ")[0]) < 2


def test_what_is_there_is_not_overwritten(start: Start, tmp_path: Path) -> None:
    """Unless it is asked for."""
    file = tmp_path / "r.tlr"
    file.write_text("precious")
    process = start("record", str(file))
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    assert said == f"tailrace: {file} exists: choose another name, or overwrite it with --force\n"
    assert file.read_text() == "precious"
    assert start("record", str(file), "--force", "--duration", "0.1").wait(DEADLINE) == 0
    assert list(Recording(file, EVENT_TYPES).frames())


@pytest.mark.parametrize(
    ("target", "code", "complaint"),
    [
        ("/nonexistent/r", 2, "make its folder first"),
        ("/", 2, "/ is no file"),
        ("-", 2, "a recording is no output for a pipe: name a file"),
        ("/proc/r", 1, "cannot write /proc/r"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line(
    start: Start, target: str, code: int, complaint: str
) -> None:
    """With what to do."""
    process = start("record", target, "--duration", "1")
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == code
    assert complaint in said.splitlines()[-1]
    assert "Traceback" not in said


def test_without_root_it_says_so() -> None:
    """And makes no file."""
    target = Path("/tmp") / f"nobody-{os.getpid()}"
    command = [*unprivileged(), TAILRACE, "record", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 1
    assert "root" in done.stderr
    assert "Traceback" not in done.stderr
    assert not target.exists()
