"""Completion of filters: in a bash that somebody types into, and in zsh and fish where they are installed."""

import errno
import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.command_line.completion import SHELLS
from engine.command_line.filter_values import keys, known_values
from model.filter.filter import Filter
from model.kinds import kinds
from model.kinds.query import ResponseCode
from tests.page.real import served
from tests.unit.engine.command_line.test_completion import completed

#: Answers with what it was given, in place of the program.
_SHOW = "tailrace() { printf 'got<%s>\\n' \"$@\"; echo end of it; }"


@pytest.fixture(scope="module")
def listening() -> Iterator[str]:
    """Where a Tailrace answers that has seen the small fleet."""
    with served() as address:
        yield address.removeprefix("http://")


def typed(folder: Path, keys: str) -> list[str]:
    """What a command is given that somebody types into bash; a tab completes."""
    (folder / "completion").write_text(SHELLS["bash"]())
    bash = ["bash", "--norc", "--noprofile", "-i"]
    return given_to_the_command(bash, folder, "source completion", keys)


def typed_into_zsh(folder: Path, keys: str) -> list[str]:
    """The same in zsh."""
    (folder / "_tailrace").write_text(SHELLS["zsh"]())
    start = f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D"
    return given_to_the_command(["zsh", "-f", "-i"], folder, start, keys)


def given_to_the_command(shell: list[str], folder: Path, start: str, keys: str) -> list[str]:
    """The words of a line that is typed into a shell once it has run ``start``."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        kept = {name: os.environ[name] for name in ("PATH", "TAILRACE_WEB_LISTEN") if name in os.environ}
        environment = {"TERM": "dumb", "INPUTRC": "/dev/null", "PS1": "", "HOME": str(folder), **kept}
        os.execvpe(shell[0], shell, environment)
    try:
        os.write(terminal, f"{start}; {_SHOW}; echo re''ady\n".encode())
        _until(terminal, b"ready")
        os.write(terminal, f"{keys}\n".encode())
        output = _until(terminal, b"end of it")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return [line[4:-1] for line in output.decode().splitlines() if line.startswith("got<")]


def _until(terminal: int, wanted: bytes) -> bytes:
    """What is written until a line says that."""
    output = b""
    while wanted not in output.replace(b"\r", b"").split(b"\n"):
        output += os.read(terminal, 4096)
    return output.replace(b"\r", b"")


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("tailrace run error:ECONNREF\t", ["run", "error:ECONNREFUSED"]),
        ("tailrace run 'error:ECONNREF\t", ["run", "error:ECONNREFUSED"]),
        ('tailrace run "failed>0 error:ECONNREF\t', ["run", "failed>0 error:ECONNREFUSED"]),
        ("tailrace observe -f transp\ttc\t evid\tbo\t", ["observe", "-f", "transport:tcp", "evidence:both"]),
        ("tailrace top client.state:estab\t", ["top", "client.state:established"]),
        ("tailrace run -reason:timed\t", ["run", "-reason:timed_out"]),
        ("tailrace replay x state:established,clos\t", ["replay", "x", "state:established,clos"]),
        ("tailrace replay x state:established,close_\t", ["replay", "x", "state:established,close_wait"]),
        ("tailrace run user:nobod\t", ["run", "user:nobody"]),
        ("tailrace run --sink jso\t --stage wor\t", ["run", "--sink", "jsonl", "--stage", "workloads"]),
    ],
)
def test_bash_completes_what_is_typed(line: str, given: list[str], tmp_path: Path) -> None:
    """Values behind a colon, with and without quotes, of one end, excluded, and behind a comma."""
    assert typed(tmp_path, line) == given


def test_a_process_that_runs_is_offered(tmp_path: Path) -> None:
    """By the name that it has now."""
    program = tmp_path / "uncommon-name"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert typed(tmp_path, "tailrace run process:uncom\t") == ["run", "process:uncommon-name"]
        finally:
            process.kill()


def test_names_that_a_tailrace_here_has_seen_are_offered(
    listening: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of workloads, namespaces, pods and zones, in each shell; where none answers there are none."""
    monkeypatch.setenv("TAILRACE_WEB_LISTEN", listening)
    given = ["run", "ns:boutique"]
    assert typed(tmp_path, "tailrace run ns:bou\t") == given
    assert completed(tmp_path, "tailrace", "run", "workload:checkout") == {"checkoutservice"}
    assert completed(tmp_path, "tailrace", "run", "-client.version:v2") == {"v2.11", "v2.12a"}
    if shutil.which("zsh"):
        assert typed_into_zsh(tmp_path, "tailrace run ns:bou\t") == given
    if shutil.which("fish"):
        assert offered_by_fish(tmp_path, "tailrace run ns:bou") == {"ns:boutique"}
    monkeypatch.setenv("TAILRACE_WEB_LISTEN", "127.0.0.1:1")
    assert typed(tmp_path, "tailrace run ns:bou\t") == ["run", "ns:bou"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("tailrace", "run", "transport:"), {"tcp", "udp", "icmp", "icmpv6", "sctp"}),
        (("tailrace", "run", "error:ECONNR"), {"ECONNREFUSED", "ECONNRESET"}),
        (("tailrace", "observe", "!po"), {"!port:", "!pod:"}),
        (("tailrace", "observe", "server.po"), {"server.port:", "server.pod:"}),
        (("tailrace", "top", "since:"), {"1m", "5m", "10m", "1h"}),
    ],
    ids=str,
)
def test_bash_offers_values(tmp_path: Path, words: tuple[str, ...], offered: set[str]) -> None:
    """All that begin so; of a word that is typed without quotes what stands behind the colon."""
    assert completed(tmp_path, *words) == offered


def test_every_value_that_is_offered_means_something() -> None:
    """To rows of some kind; there is none that a filter would refuse."""
    for key, words in known_values().items():
        assert key in keys()
        for word in words:
            assert any(_takes(f"{key}:{word}", kind) for kind in kinds() if kind.columns), (key, word)
    codes = {code.name for code in ResponseCode}
    assert set(known_values()["error"]) == set(errno.errorcode.values()) | codes


def _takes(text: str, kind: object) -> bool:
    try:
        Filter(text).of(kind)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - of other kinds it may mean nothing
        return False
    return True


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tailrace run error:ECONNREF", {"error:ECONNREFUSED"}),
        ("tailrace observe client.state:estab", {"client.state:established"}),
        ("tailrace run state:established,close_", {"state:established,close_wait"}),
        ("tailrace run po", {"port:", "pod:"}),
    ],
)
def test_fish_offers_values(line: str, offered: set[str], tmp_path: Path) -> None:
    """As fish itself says what it would complete."""
    assert offered_by_fish(tmp_path, line) == offered


def offered_by_fish(folder: Path, line: str) -> set[str]:
    """What it would complete a line to."""
    (folder / "completion").write_text(SHELLS["fish"]())
    command = ["fish", "--no-config", "-c", f"source {folder}/completion; complete -C '{line}'"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return {word.partition("\t")[0] for word in done.stdout.splitlines()}


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("tailrace run error:ECONNREF\t", ["run", "error:ECONNREFUSED"]),
        ("tailrace observe client.state:estab\t", ["observe", "client.state:established"]),
        ("tailrace run state:established,close_\t", ["run", "state:established,close_wait"]),
        ("tailrace run -reason:timed\t", ["run", "-reason:timed_out"]),
    ],
)
def test_zsh_completes_what_is_typed(line: str, given: list[str], tmp_path: Path) -> None:
    """In a zsh that somebody types into."""
    assert typed_into_zsh(tmp_path, line) == given
