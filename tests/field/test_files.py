"""The kind: files and folders that are not what a program takes for granted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import UsageError
from model.kinds.delta import DELTA
from probes.kernel.namespaces import NAMED, ChosenNamespaces, require_namespaces
from sinks.jsonl.sink import JsonlConfig, JsonlSink
from tailrace.testing.deltas import make_deltas


async def test_a_link_stays_where_its_target_rotates(tmp_path: Path) -> None:
    """`link.jsonl` → `real/t.jsonl`: files rotate beside the target, the link leads to the file in use."""
    real, link = tmp_path / "real", tmp_path / "link.jsonl"
    real.mkdir()
    link.symlink_to("real/t.jsonl")
    sink = JsonlSink(JsonlConfig(str(link), rotate_bytes=50_000, keep=9))
    await sink.open((DELTA,))
    await sink.write(make_deltas(300))
    await sink.close()
    assert link.is_symlink()
    assert link.resolve() == real / "t.jsonl"
    assert sorted(os.listdir(tmp_path)) == ["link.jsonl", "real"]  # noqa: PTH208 - in an async test
    files = [real / name for name in os.listdir(real)]  # noqa: PTH208 - the same
    assert len(files) > 2
    assert sum(file.read_bytes().count(b"\n") for file in files) == 300


LOOK = """
import logging, os, sys
logging.basicConfig(format="%(message)s")
from pathlib import Path
from probes.conntrack import namespace_finder
namespace_finder.FOLDERS = (Path(sys.argv[1]),)
os.setgid(65534); os.setuid(65534)
finder = namespace_finder.NamespaceFinder()
for second in range(3):
    found = finder.look(second * 10 * 10**9)
print(os.stat("/proc/self/ns/net").st_ino in found)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes another user")
def test_a_folder_that_cannot_be_read_costs_its_names_only(tmp_path: Path) -> None:
    """/run/docker with mode 0700: namespaces of processes are found, and one line says what is not seen."""
    closed = tmp_path / "docker" / "netns"
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    command = [sys.executable, "-c", LOOK, str(closed)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert result.stdout == "True\n"
    assert result.stderr.count("\n") == 1
    assert f"{closed} cannot be read (Permission denied)" in result.stderr
    assert "add CAP_DAC_READ_SEARCH" in result.stderr


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (["no-such-namespace"], f"namespaces[0]: {NAMED}/no-such-namespace does not exist"),
        (["web*", "/proc/self/ns/mnt"], "namespaces[1]: /proc/self/ns/mnt is no network namespace"),
        (["/proc/self/ns/net", "/nowhere"], "namespaces[1]: /nowhere does not exist"),
    ],
)
def test_a_namespace_that_is_none_is_refused(wanted: list[str], complaint: str) -> None:
    """What would report nothing for ever is refused with its key."""
    with pytest.raises(UsageError) as error:
        require_namespaces(wanted)
    assert str(error.value).startswith(complaint)


def test_namespaces_that_are_there_or_may_come_are_taken() -> None:
    """A path to a network namespace, and patterns of names."""
    wanted = ["/proc/self/ns/net", "cni-*", "web-[0-9]"]
    require_namespaces(wanted)
    chosen = ChosenNamespaces(wanted)
    chosen.refresh()
    assert Path("/proc/self/ns/net").stat().st_ino in chosen
