"""The example probe, installed as its users install it: every call in every process is in its rows."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beds.processes import read_log
from tests.environment import ROOT, Environment, source_tree
from tests.kernel.loopback import until
from tests.kernel.objects import held_by, still_there
from tests.kernel.uprobes import probed_files

pytestmark = pytest.mark.kernel

EXAMPLE = ROOT / "examples" / "probe-lookups"
MODULE = "tailrace_probe_lookups:PROBE"
TAILRACE = str(Path(sys.executable).parent / "tailrace")
#: Until a program is compiled and attached, also on a busy machine.
START_SECONDS = 120
ASKS = """
import os, socket, sys
for _ in range(int(sys.argv[1])):
    socket.getaddrinfo("localhost", 80)
print(os.getpid(), open("/proc/self/comm").read())
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh one with Tailrace and the example."""
    folder = tmp_path_factory.mktemp("lookups")
    made = Environment.made(folder / "environment")
    made.install(source_tree(folder / "source"), Path(shutil.copytree(EXAMPLE, folder / "example")))
    return made


def ask(times: int) -> tuple[int, str]:
    """A process asks so often; its id and its name."""
    done = subprocess.run(
        [sys.executable, "-c", ASKS, str(times)], capture_output=True, text=True, check=True
    )
    pid, comm = done.stdout.split()
    return int(pid), comm


def calls(path: Path) -> Counter[int]:
    """What the rows of a file say of each process."""
    counts: Counter[int] = Counter()
    for row in read_log(path):
        if row["kind"] == "lookup":
            counts[row["process.pid"]] += row["lookups"]
    return counts


@contextmanager
def running(*command: str | Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A tailrace that has attached the probe."""
    process = subprocess.Popen(command, env=os.environ | environment, cwd="/", stderr=subprocess.PIPE)
    try:
        assert until(lambda: process.poll() is not None or len(probed_files(process.pid)) == 1, START_SECONDS)
        assert process.poll() is None, process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[bytes]") -> int | None:
    """Ends it in good order."""
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return process.returncode


def test_an_installed_probe_counts_every_call(environment: Environment, tmp_path: Path) -> None:
    """Of each process, to the last one before the end; after kill -9 nothing of it is in the kernel."""
    out = tmp_path / "rows"
    command = (
        environment.python,
        "-P",
        "-m",
        "tailrace",
        "run",
        "--stage",
        "lookups",
        "--sink",
        f"jsonl:{out}",
    )
    with running(*command) as process:
        (first, comm), (second, _) = ask(41), ask(1)
        assert until(lambda: calls(out)[second] == 1)
        last, _ = ask(200)
        assert ended(process) == 0
    assert {pid: calls(out)[pid] for pid in (first, second, last)} == {first: 41, second: 1, last: 200}
    assert {row["process.comm"] for row in read_log(out) if row.get("process.pid") == first} == {comm}
    with running(*command) as process:
        held = held_by(process.pid)
        process.kill()
    assert until(lambda: not any(still_there(held).values()))


def test_doctor_shows_its_feature_and_its_switch(environment: Environment) -> None:
    """What serves it; and the key that switches it off. It is listed with its package."""
    shown = environment.tailrace("doctor", "-o", "json")
    checks = {check["name"]: check for check in json.loads(shown.stdout)["checks"]}
    assert checks["lookups of names"]["detail"] == "uprobe libc.so.6:getaddrinfo"
    off = environment.tailrace(
        "doctor", "-o", "json", env={**os.environ, "TAILRACE_PROBES": "{lookups: off}"}
    )
    checks = {check["name"]: check for check in json.loads(off.stdout)["checks"]}
    assert (checks["lookups of names"]["status"], checks["lookups of names"]["detail"]) == (
        "not needed",
        "probes.lookups is off",
    )
    listed = environment.tailrace("plugins", "lookups").stdout
    assert listed.startswith("probe lookups, of tailrace-probe-lookups 1.0 (tailrace_probe_lookups:PROBE)\n")
    assert "In the configuration: probes.lookups: auto | on | off" in listed
    assert "row kind lookup, of tailrace-probe-lookups 1.0" in listed


def test_a_line_of_configuration_is_enough(tmp_path: Path) -> None:
    """A module on the path is loaded by its name, recorded, and replayed to the same rows."""
    variables = {"PYTHONPATH": str(EXAMPLE), "TAILRACE_PROBES": json.dumps({MODULE: "on"})}
    recording, out, again = tmp_path / "recording", tmp_path / "rows", tmp_path / "again"
    command = (TAILRACE, "record", recording, "--stage", "lookups", "--sink", f"jsonl:{out}")
    with running(*command, **variables) as process:
        assert until(recording.exists, START_SECONDS)  # other probes may come after this one
        asked, _ = ask(77)
        assert ended(process) == 0
    replayed = subprocess.run(
        [TAILRACE, "replay", recording, "--speed", "max", "--stage", "lookups", "--sink", f"jsonl:{again}"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert calls(out)[asked] == calls(again)[asked] == 77
    lookups = [[row for row in read_log(path) if row["kind"] == "lookup"] for path in (out, again)]
    assert lookups[0] == lookups[1]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            "int lookup_called(struct pt_regs *ctx) { return nonsense; }",
            r"lookups.c:1:.*undeclared identifier",
        ),
        (
            "int other(struct pt_regs *ctx) { return 0; }",
            r"no hook .*: the source has no such program",
        ),
    ],
)
def test_a_source_that_does_not_compile_is_named(tmp_path: Path, source: str, line: str) -> None:
    """One line with the file of the probe; the start is refused."""
    package = Path(shutil.copytree(EXAMPLE, tmp_path / "example")) / "tailrace_probe_lookups"
    maps = (package / "lookups.c").read_text().split("\nint ", maxsplit=1)[0]
    (package / "lookups.c").write_text(f"{source}\n{maps}\n")
    variables = {"PYTHONPATH": str(package.parent), "TAILRACE_PROBES": json.dumps({MODULE: "on"})}
    ran = subprocess.run(
        [TAILRACE, "run", "--duration", "1"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert re.search(line, ran.stderr), ran.stderr
