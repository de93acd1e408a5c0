"""The kind: cgroups that lie deeper, or have longer names, than a program takes for granted."""

import subprocess
import sys
from pathlib import Path

import pytest

from enrichers.cgroup_path import owner_of
from tests.beds.cgroups import cgroup
from tests.beds.flows import Row
from tests.beds.watch import Watch
from tests.field.services import listener

pytestmark = pytest.mark.kernel

ID = "3f8a" * 16
CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).sendall(b'x')"


def levels(count: int) -> str:
    """So many more levels."""
    return "/".join(f"level-{number}" for number in range(count))


def called_within(path: str, folder: Path) -> Row:
    """The row of a connection that a process in this cgroup made."""
    with (
        cgroup(path) as within,
        Watch.started(folder / "rows.jsonl") as watch,
        listener("127.0.0.1", 0) as listening,
    ):
        port = listening.getsockname()[1]
        subprocess.run([*within, sys.executable, "-c", CONNECT, str(port)], check=True)
        listening.accept()[0].close()
        (row,) = [row for row in watch.rows() if row["kind"] == "flow" and row["service.port"] == port]
    return row


def test_a_container_too_far_above_is_not_guessed(tmp_path: Path) -> None:
    """More levels lie below it than are read: no container is named, and the path says that it was cut."""
    path = f"tailrace-deep/docker-{ID}.scope/{levels(70)}"
    row = called_within(path, tmp_path)
    assert "container.id" not in row["client.entity"]
    _, cut, end = row["client.cgroup.path"].rpartition("…")
    assert cut
    assert path.endswith(end)
    assert end.count("/") >= 60


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        (f"tailrace-deep/{levels(12)}/docker-{ID}.scope", True),
        (f"tailrace-deep/docker-{ID}.scope/{levels(20)}", True),
        (f"tailrace-deep/docker-{ID}.scope/{levels(50)}", True),
        (f"tailrace-deep/{levels(70)}/docker-{ID}.scope/payload", False),
        (f"tailrace-long/{'slice-' * 28}.slice:docker:{ID}", False),
        (f"tailrace-long/{'s' * 121}.slice:docker:{ID}", True),
    ],
    ids=["deep", "deep_within", "deepest_within", "deeper_than_is_read", "long", "just_long_enough"],
)
def test_the_innermost_container_is_known(tmp_path: Path, path: str, *, whole: bool) -> None:
    """Its id is right; what was cut is the beginning, and says so."""
    row = called_within(path, tmp_path)
    found = row["client.cgroup.path"]
    assert owner_of(found).container == ID == row["client.entity"]["container.id"]
    if whole:
        assert found.endswith(f"/{path}")
        assert "…" not in found
    else:
        _, cut, end = found.rpartition("…")
        assert cut
        assert f"/{path}".endswith(end)
