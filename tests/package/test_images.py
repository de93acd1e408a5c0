"""The container images: built from the package on a bare Debian, and run."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.package.conftest import ROOT, Made

pytestmark = pytest.mark.kernel

START_SECONDS: Final = 120.0
BUILD_SECONDS: Final = 600.0


class Daemon:
    """A Docker of the test's own, which touches neither bridges nor rules of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = f"unix://{folder}/socket"

    @contextmanager
    def running(self) -> Iterator[None]:
        """It ends with the block, or with the test run."""
        settings = self._folder / "daemon.json"
        settings.write_text("{}")
        places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
        command = ["setpriv", "--pdeathsig", "TERM", "dockerd", "--host", self._socket]
        command += [word for option, name in places.items() for word in (option, str(self._folder / name))]
        command += ["--bridge=none", "--iptables=false", "--config-file", str(settings)]
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while b"API listen on" not in (self._folder / "log").read_bytes():
                assert process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(START_SECONDS)

    def docker(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of the client."""
        environment = os.environ | {"DOCKER_BUILDKIT": "0"}
        command = ["docker", "--host", self._socket, *arguments]
        return subprocess.run(
            command, check=False, env=environment, text=True, capture_output=True, timeout=BUILD_SECONDS
        )


@pytest.fixture(scope="module")
def daemon(made: Made) -> Iterator[Daemon]:
    """With a bare Debian as an image, and both images built on it."""
    if not shutil.which("dockerd"):
        pytest.skip("needs dockerd: make setup")
    with tempfile.TemporaryDirectory(prefix="tr-images-", ignore_cleanup_errors=True) as folder:
        daemon = Daemon(Path(folder))
        with daemon.running():
            archive = Path(folder) / "debian.tar"
            subprocess.run(["tar", "-C", made.debian, "-cf", archive, "."], check=True)
            imported = daemon.docker("import", str(archive), "debian")
            assert imported.returncode == 0, imported.stderr
            for target in ("agent", "engine"):
                built = daemon.docker(
                    *("build", "--network=host", "--build-arg=BASE=debian", f"--target={target}"),
                    *(f"--tag={target}", f"--file={ROOT}/deploy/docker/Dockerfile", str(made.first)),
                )
                assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
            yield daemon


def size(daemon: Daemon, image: str) -> int:
    """Bytes that it takes."""
    return int(daemon.docker("inspect", "--format={{.Size}}", image).stdout)


def test_the_engine_is_small_and_not_root(daemon: Daemon) -> None:
    """It runs as nobody, without the compiler, and reads a recording as any other installation does."""
    who = daemon.docker("run", "--rm", "--network=none", "--entrypoint=id", "engine", "--user")
    assert who.stdout == "65534\n", who.stderr
    recording = ROOT / "tests" / "recordings" / "short.tlr"
    replayed = daemon.docker(
        *("run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"),
        *(f"--volume={recording}:/short.tlr:ro", "engine", "replay", "/short.tlr"),
        *("--speed", "max", "--stage", "deltas", "--sink", "jsonl:-"),
    )
    assert replayed.returncode == 0, replayed.stderr
    rows = [json.loads(line) for line in replayed.stdout.splitlines()]
    assert {row["kind"] for row in rows} == {"delta", "ledger"}
    base = size(daemon, "debian")
    assert size(daemon, "engine") - base < (size(daemon, "agent") - base) / 2


def test_the_agents_image_has_what_compiles_for_the_kernel(daemon: Daemon) -> None:
    """It is the agent by default, and finds bcc and bpftool, whatever it may do."""
    asked = daemon.docker("run", "--rm", "--network=none", "--cap-drop=ALL", "agent", "doctor", "-o", "json")
    checks = {check["name"]: check for check in json.loads(asked.stdout)["checks"]}
    assert [checks[name]["status"] for name in ("bcc", "bpftool")] == ["ok", "ok"], asked.stdout
    assert daemon.docker("inspect", "--format={{.Config.Entrypoint}} {{.Config.Cmd}}", "agent").stdout == (
        "[tailrace] [agent]\n"
    )
