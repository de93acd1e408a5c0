"""File systems of the kernel: found where they are mounted, whole and under any name."""

from pathlib import Path

import pytest

from probes.kernel import filesystems
from probes.kernel.filesystems import mount_point

LINES = """\
22 1 0:20 / /proc rw - proc proc rw
30 22 0:26 /user.slice /mnt/part rw,nosuid shared:9 - cgroup2 cgroup2 rw
31 22 0:26 / /sys/fs/cgroup\\040two rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate
"""


@pytest.fixture(autouse=True)
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with these mounts."""
    (tmp_path / "mountinfo").write_text(LINES)
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "mountinfo")


@pytest.mark.parametrize(("kind", "point"), [("cgroup2", "/sys/fs/cgroup two"), ("tracefs", None)])
def test_only_the_whole_of_a_file_system_counts(kind: str, point: str | None) -> None:
    """A part of it that is mounted elsewhere is passed over; spaces in the path are read as such."""
    assert mount_point(kind) == point
