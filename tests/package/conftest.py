"""What takes long is made once, and at the same time: the package twice, an installation, a bare Debian."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.vm.guest import start_beside

ROOT: Final = Path(__file__).parents[2]
#: Seconds for all of it together; alone on two cores it takes a minute.
LIMIT: Final = 800


@dataclass(frozen=True)
class Made:
    """Folders.

    :param first: with one package in it; ``second`` with another of the same checkout.
    :param installed: what ``make install`` lays below ``DESTDIR``.
    :param debian: the root of a bare Debian with systemd, and nothing else.
    """

    first: Path
    second: Path
    installed: Path
    debian: Path

    @property
    def package(self) -> Path:
        """The file."""
        return next(self.first.glob("*.deb"))


@pytest.fixture(scope="session", autouse=True)
def _guest_beside(request: pytest.FixtureRequest) -> None:
    start_beside(request)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All of them, made side by side."""
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        pytest.skip("needs root and mmdebstrap: make setup")
    made = Made(*(tmp_path_factory.mktemp(name) for name in ("first", "second", "installed", "debian")))
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    bare = ["mmdebstrap", "--variant=minbase", "--include=systemd", "--quiet", release, str(made.debian)]
    running = [
        _start(["scripts/deb", str(made.first)]),
        _start(["scripts/deb", str(made.second)]),
        _start(["make", "--silent", "install"], DESTDIR=str(made.installed)),
        _start(bare, cwd="/"),
    ]
    try:
        for process in running:
            said, _ = process.communicate(timeout=LIMIT)
            assert process.returncode == 0, said
    finally:
        for process in running:
            process.kill()
            process.wait()
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc", name), made.debian / "etc" / name)
    return made


def _start(command: list[str], cwd: str | Path = ROOT, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="session")
def unpacked(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the package, with its control files."""
    folder = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "-R", str(made.package), str(folder)], check=True)
    return folder
