"""The kind: a machine that gives too little, or a port that is somebody else's."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.nat.table import ENTRIES
from tailrace.limits import LOADED_BYTES, STACK_BYTES
from tests.beds.watch import DEADLINE_SECONDS, TAILRACE
from tests.field.program import RECORDINGS, compiling_anew, complaint, ended

REPLAY = ("replay", str(RECORDINGS / "short.tlr"), "--speed", "max", "--sink", "jsonl:/dev/null")

#: What ``run`` makes beside what it imports, with the bounds that it has by default, is surely more: a table of NAT
#: entries (170 bytes each), and the stacks of some threads.
TABLES_BYTES = ENTRIES * 170


def limited(number: int, value: int) -> Callable[[], None]:
    """For the child of a fork."""
    return lambda: resource.setrlimit(number, (value, value))


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("files", "kept"),
    [*((files, True) for files in (8, 12, 20, 40)), *((files, False) for files in (8, 12, 20, 40, 56))],
)
def test_too_few_files_are_one_line(tmp_path: Path, files: int, *, kept: bool) -> None:
    """Wherever they run out: while it is imported, checked, compiled, loaded."""
    environment = {} if kept else compiling_anew(tmp_path)
    limit = limited(resource.RLIMIT_NOFILE, files)
    done = ended("run", "--duration", "1", preexec_fn=limit, environment=environment)
    code, line = complaint(done)
    assert code == 1
    assert "open files" in line


@pytest.mark.parametrize(
    ("number", "limit", "said"),
    [
        *((resource.RLIMIT_AS, share * LOADED_BYTES // 10, "memory (ulimit -v)") for share in (2, 5, 7, 9)),
        (resource.RLIMIT_AS, LOADED_BYTES - 1024, "memory (ulimit -v)"),
        *((resource.RLIMIT_STACK, STACK_BYTES // share, "the stack (ulimit -s)") for share in (8, 2)),
    ],
)
def test_what_is_too_little_for_any_command_is_known_before(number: int, limit: int, said: str) -> None:
    """Libraries would end the program with words of theirs, or with a signal."""
    code, line = complaint(ended("--version", preexec_fn=limited(number, limit)))
    assert (code, line.startswith(f"the limit of {said} is ")) == (1, True), line


def test_with_the_least_that_is_asked_for_commands_are_loaded() -> None:
    """The bounds that are said are enough here."""
    for number, limit in ((resource.RLIMIT_AS, LOADED_BYTES), (resource.RLIMIT_STACK, STACK_BYTES)):
        assert ended("--version", preexec_fn=limited(number, limit)).returncode == 0


def loaded_bytes() -> int:
    """The address space of a process that has imported what ``run`` imports, and has made nothing yet."""
    modules = "engine.cli, engine.graphs, engine.faust_runner, engine.join_actors, probes.kernel_source"
    program = f"import {modules}; print(open('/proc/self/status').read())"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    (size,) = (line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmSize:"))
    return int(size) << 10


@pytest.mark.kernel
@pytest.mark.parametrize("more_megabytes", [0, 16, 64, 128, 256])
def test_too_little_memory_is_one_line(tmp_path: Path, more_megabytes: int) -> None:
    """The limit of the address space, as `ulimit -v` sets it: what is left when all is loaded is too little for the
    tables of connections, or for the compiler, or else it is enough."""
    loaded = loaded_bytes()
    limit = max(LOADED_BYTES, loaded) + (more_megabytes << 20)
    done = ended(
        *("run", "--duration", "1", "--sink", "jsonl:/dev/null"),
        preexec_fn=limited(resource.RLIMIT_AS, limit),
        environment=compiling_anew(tmp_path) | {"TAILRACE_STORE_ENABLED": "off"},
    )
    if done.returncode == 0 and limit > loaded + TABLES_BYTES:
        assert done.stderr == ""
        return
    code, line = complaint(done)
    assert code == 1
    assert "memory" in line.lower()


@pytest.mark.parametrize("megabytes", [100, 150])
def test_too_little_memory_for_data_is_one_line(megabytes: int) -> None:
    """As `ulimit -d` sets it: also memory for threads, whose lack a library tells by SIGINT."""
    code, line = complaint(ended(*REPLAY, preexec_fn=limited(resource.RLIMIT_DATA, megabytes << 20)))
    assert code == 1
    assert "memory" in line.lower()


def test_an_interrupt_while_the_program_is_loaded_ends_it_quietly(tmp_path: Path) -> None:
    """Ctrl-C in the first second: the exit code of an interrupt, and no traceback."""
    hook = """
import os, signal, sys
class Interrupt:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt)
"""
    (tmp_path / "sitecustomize.py").write_text(hook)
    done = ended(*REPLAY, environment={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.kernel
def test_rows_go_to_their_file_though_all_descriptors_are_closed(tmp_path: Path) -> None:
    """The file of a sink is never standard output, whatever was closed before the start."""
    out = tmp_path / "out.jsonl"
    line = '"$@" <&- >&- 2>&-'
    command = ["bash", "-c", line, "bash", TAILRACE, "run", "--duration", "2", "--sink", f"jsonl:{out}"]
    assert subprocess.run(command, check=False, timeout=DEADLINE_SECONDS).returncode == 0
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    assert {row["kind"] for row in rows} <= {"flow", "ledger"}
    assert rows


@pytest.mark.kernel
@pytest.mark.parametrize("sink", ["console", "jsonl:-"])
def test_a_sink_on_a_closed_output_is_refused(sink: str) -> None:
    """Rows are not thrown away in silence."""
    done = ended("run", "--sink", sink, before=["bash", "-c", '"$@" >&-', "bash"])
    code, line = complaint(done)
    assert (code, "closed" in line) == (2, True)


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1:99999", "9464", ":9464", "localhost:http", "127.0.0.1:-1", "127.0.0.1:٣", "127.0.0.1:"],
)
def test_what_is_no_address_to_listen_on_is_refused(listen: str) -> None:
    """With its key, before anything is loaded."""
    code, line = complaint(ended(*REPLAY, environment={"TAILRACE_METRICS_LISTEN": listen}))
    assert code == 2
    assert f"{listen!r} is none: write address:port, such as 127.0.0.1:9464" in line
    assert "$.metrics" in line


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("nosuchhost.invalid", "cannot listen on nosuchhost.invalid:"),
        ("127.0.0.1", "(Address already in use): end the program that listens there"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_a_failure(address: str, said: str) -> None:
    """Not of this machine, unknown, or taken: one line, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"{address}:{taken.getsockname()[1]}"
        code, line = complaint(ended(*REPLAY, environment={"TAILRACE_METRICS_LISTEN": listen}))
    assert code == 1
    assert said in line


def test_a_name_that_can_be_none_is_refused() -> None:
    """A label of more than 63 letters, not all of them ASCII, which no encoder takes."""
    code, line = complaint(ended(*REPLAY, environment={"TAILRACE_METRICS_LISTEN": f"{'é' * 70}:9464"}))
    assert code == 2
    assert "metrics.listen" in line
