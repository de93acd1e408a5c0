"""A Docker daemon of one's own: in a network namespace, with its own folders, socket and cgroup."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.beds.network import execute, inside
from tests.beds.processes import ROOT, Server

#: Images of ours have nothing but places to mount to; programs come from this machine's own /usr.
_LINKS: Final = ("lib", "lib64")
_FOLDERS: Final = ("usr", "tmp", "etc", "proc", "sys", "dev")
IMAGE: Final = "bed"
START_SECONDS: Final = 120.0
_CGROUPS: Final = Path("/sys/fs/cgroup")


class DockerMissing(Exception):
    """Docker cannot run here; the text says why."""


class Docker:
    """A daemon that runs.

    :param folder: everything of it is in here.
    :param name: of its cgroup.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._socket = f"unix://{folder}/socket"
        self._name = name

    @classmethod
    @contextlib.contextmanager
    def started(cls, namespace: str, bridge: str, userland_proxy: bool) -> Iterator["Docker"]:
        """Ready, with the image.

        :param namespace: network namespace that plays the host.
        :param bridge: address and prefix length of the bridge that containers are on.
        :raises DockerMissing: if it cannot run here.
        """
        if not shutil.which("dockerd"):
            raise DockerMissing("there is no dockerd: apt-get install docker.io")
        with tempfile.TemporaryDirectory(prefix="tr-docker-", ignore_cleanup_errors=True) as folder:
            docker = cls(Path(folder), namespace)
            options = ["--bip", bridge, f"--userland-proxy={str(userland_proxy).lower()}"]
            with docker._daemon([*inside(namespace), "dockerd", *docker._places(), *options]):
                docker._make_image()
                yield docker

    def _places(self) -> list[str]:
        folders = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
        places = [word for option, name in folders.items() for word in (option, str(self._folder / name))]
        # vfs works on any file system; the images are empty
        return [*places, "--host", self._socket, "--storage-driver", "vfs", "--config-file", self._settings()]

    def _settings(self) -> str:
        path = self._folder / "daemon.json"
        path.write_text("{}")  # not those of this machine's daemon
        return str(path)

    @contextlib.contextmanager
    def _daemon(self, command: Sequence[str]) -> Iterator[None]:
        """It ends with the block, or with the test run if that is killed."""
        log = self._folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command], stdout=output, stderr=output
            )
        try:
            self._await_ready(process, log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)
            self._remove_cgroups()

    def _await_ready(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while b"API listen on" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text().strip().splitlines()[-1:]
                raise DockerMissing(f"dockerd does not start: {' '.join(last)}")
            time.sleep(0.05)

    def _remove_cgroups(self) -> None:
        for path in (_CGROUPS, *_CGROUPS.glob("*")):
            with contextlib.suppress(OSError):
                (path / self._name).rmdir()

    @property
    def url(self) -> str:
        """Where the daemon listens."""
        return self._socket

    def environment(self, *labels: str) -> dict[str, str]:
        """Settings of a Tailrace that asks it, and reports labels with these patterns."""
        return {"TAILRACE_DOCKER_URL": self.url, "TAILRACE_DOCKER_LABELS": json.dumps(labels)}

    def client(self, *arguments: str) -> list[str]:
        """A command line of the client."""
        return ["docker", "--host", self._socket, *arguments]

    def _make_image(self) -> None:
        root = self._folder / "image"
        for name in _FOLDERS:
            (root / name).mkdir(parents=True)
        for name in _LINKS:
            (root / name).symlink_to(f"usr/{name}")
        archive = self._folder / "image.tar"
        execute("tar", "-C", str(root), "-cf", str(archive), ".")
        execute(*self.client("import", str(archive), IMAGE))

    def container(self, name: str, logs: Path, *options: str, image: str = IMAGE) -> list[str]:
        """The beginning of a command line that runs in a container of its own, which is removed at its end."""
        mounts = [f"--volume={path}:{path}{mode}" for path, mode in _mounts(logs)]
        run = ["run", "--rm", "--interactive", f"--name={name}", f"--cgroup-parent=/{self._name}"]
        return self.client(*run, *options, *mounts, f"--workdir={ROOT}", image)

    @contextlib.contextmanager
    def server(
        self, name: str, logs: Path, port: int, *options: str, image: str = IMAGE
    ) -> Iterator["Container"]:
        """A container with a server.

        :param options: of ``docker run``.
        """
        prefix = self.container(name, logs, *options, image=image)
        with Server.started(prefix, logs / f"{name}.log", [port]) as server:
            yield Container(self, name, server)


def _mounts(logs: Path) -> list[tuple[Path, str]]:
    return [(Path("/usr"), ":ro"), (ROOT / "tests", ":ro"), (logs, "")]


class Container:
    """A container that serves."""

    def __init__(self, docker: Docker, name: str, server: Server) -> None:
        self._docker = docker
        self.name = name
        self.server = server

    def _inspect(self, what: str) -> str:
        return execute(*self._docker.client("inspect", "--format", what, self.name)).strip()

    @property
    def address(self) -> str:
        """Its own address."""
        return self._inspect("{{.NetworkSettings.IPAddress}}")

    @property
    def inode(self) -> int:
        """Of its network namespace."""
        return os.stat(f"/proc/{self._inspect('{{.State.Pid}}')}/ns/net").st_ino  # noqa: PTH116 - of a link

    @property
    def prefix(self) -> list[str]:
        """The beginning of a command line that runs in it."""
        return self._docker.client("exec", "--interactive", f"--workdir={ROOT}", self.name)
