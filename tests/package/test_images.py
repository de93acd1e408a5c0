"""The container images: built from the package on a bare Debian, and run: the agent's also watches the kernel."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from model.version import VERSION
from tests.nats_server import NatsServer
from tests.package.conftest import ROOT, Made
from tests.ports import free_port
from tests.systemd.guest.traffic import rows, talk

pytestmark = pytest.mark.kernel

#: What Docker 20.10 calls otherwise: CAP_SYS_ADMIN implies both. SYS_RESOURCE is for kernels before 5.11.
IMPLIED: Final = {"BPF", "PERFMON", "SYS_RESOURCE"}
#: What the Dockerfile builds on: a bare Debian of the same name here.
BASE: Final = "debian:12-slim"
AGENT, ENGINE = (f"tailrace-{role}:{VERSION}" for role in ("agent", "engine"))
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
        return self.run(["docker", *arguments])

    def run(self, command: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
        """A command whose Docker is this one, within the folder."""
        return subprocess.run(
            command,
            check=False,
            env=os.environ | {"DOCKER_BUILDKIT": "0", "DOCKER_HOST": self._socket} | variables,
            cwd=self._folder,
            text=True,
            capture_output=True,
            timeout=BUILD_SECONDS,
        )

    def build(self, packages: Path, line: str) -> None:
        """Run a line of the README as it stands, on a checkout whose package is built.

        This daemon has no bridge: what is built has the machine's network.
        """
        (self._folder / "deploy").symlink_to(ROOT / "deploy")
        shutil.copytree(packages, self._folder / "dist")
        wrapper = self._folder / "bin/docker"
        wrapper.parent.mkdir()
        wrapper.write_text(
            f'#!/bin/sh\ncommand=$1; shift\nexec {shutil.which("docker")} "$command" --network=host "$@"\n'
        )
        wrapper.chmod(0o755)
        built = self.run(["sh", "-euc", line], PATH=f"{wrapper.parent}:{os.environ['PATH']}")
        assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]


def build_line() -> str:
    """The README's, that builds the images of a cluster."""
    block = re.search(r"## In a cluster\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines = block[1].splitlines()
    assert (len(lines) <= 5, lines[0], lines[2]) == (True, "make deb", "kubectl apply -k deploy/kubernetes")
    return lines[1]


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
            imported = daemon.docker("import", str(archive), BASE)
            assert imported.returncode == 0, imported.stderr
            daemon.build(made.first, build_line())
            yield daemon


def size(daemon: Daemon, image: str) -> int:
    """Bytes that it takes."""
    return int(daemon.docker("inspect", "--format={{.Size}}", image).stdout)


def test_the_engine_is_small_and_not_root(daemon: Daemon) -> None:
    """It runs as nobody, without the compiler, and reads a recording as any other installation does."""
    who = daemon.docker("run", "--rm", "--network=none", "--entrypoint=id", ENGINE, "--user")
    assert who.stdout == "65534\n", who.stderr
    recording = ROOT / "tests" / "recordings" / "short.tlr"
    replayed = daemon.docker(
        *("run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"),
        *(f"--volume={recording}:/short.tlr:ro", ENGINE, "replay", "/short.tlr"),
        *("--speed", "max", "--stage", "deltas", "--sink", "jsonl:-"),
    )
    assert replayed.returncode == 0, replayed.stderr
    rows = [json.loads(line) for line in replayed.stdout.splitlines()]
    assert {row["kind"] for row in rows} == {"delta", "ledger"}
    base = size(daemon, BASE)
    assert size(daemon, ENGINE) - base < (size(daemon, AGENT) - base) / 2


def test_the_agents_image_has_what_compiles_for_the_kernel(daemon: Daemon) -> None:
    """It is the agent by default, and finds bcc and bpftool, whatever it may do."""
    asked = daemon.docker("run", "--rm", "--network=none", "--cap-drop=ALL", AGENT, "doctor", "-o", "json")
    checks = {check["name"]: check for check in json.loads(asked.stdout)["checks"]}
    assert [checks[name]["status"] for name in ("bcc", "bpftool")] == ["ok", "ok"], asked.stdout
    assert daemon.docker("inspect", "--format={{.Config.Entrypoint}} {{.Config.Cmd}}", AGENT).stdout == (
        "[tailrace] [agent]\n"
    )


def rights_of_the_manifest() -> tuple[str, ...]:
    """Those of the agent's container in ``deploy/kubernetes``, as options of Docker."""
    pods = yaml.safe_load_all((ROOT / "deploy/kubernetes/agent.yaml").read_text())
    spec = next(one for one in pods if one["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    names = [name for name in container["securityContext"]["capabilities"]["add"] if name not in IMPLIED]
    memory = container["resources"]["limits"]["memory"].removesuffix("i")
    return (
        *(f"--cap-add={name}" for name in names),
        *("--cap-drop=ALL", "--pid=host", "--read-only", "--tmpfs=/tmp", f"--memory={memory}"),
        *("--security-opt=no-new-privileges", "--security-opt=apparmor=unconfined"),
    )


@contextmanager
def container(daemon: Daemon, image: str, *options: str, arguments: tuple[str, ...]) -> Iterator[str]:
    """One that runs in the machine's network; its name."""
    name = f"test-{image.partition(':')[0]}"
    started = daemon.docker(
        "run", "--detach", f"--name={name}", "--network=host", *options, image, *arguments
    )
    assert started.returncode == 0, started.stderr
    try:
        yield name
    finally:
        daemon.docker("rm", "--force", name)


def until(daemon: Daemon, names: tuple[str, ...], condition: Callable[[], Any], what: str) -> Any:
    """Look again and again; what the containers said, if that is never true."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            said = [daemon.docker("logs", name) for name in names]
            raise TimeoutError(f"{what}: {[each.stdout + each.stderr for each in said]}")
        time.sleep(0.1)
    return found


def ready(port: int) -> bool:
    """As Kubernetes asks."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_an_agent_in_a_container_watches_the_machine(daemon: Daemon) -> None:
    """With the manifest's rights, limit and read-only root: bytes and owner of a connection outside go over NATS
    to an engine that is not root, and into its file; both end well when they are asked to."""
    with tempfile.TemporaryDirectory(prefix="tr-rows-") as folder:
        Path(folder).chmod(0o777)
        server, port, nats = Path(folder, "flows.jsonl"), free_port(), NatsServer()
        try:
            url = nats.start().url()
            settings = ("--env=TAILRACE_NODE=node-a", f"--env=TAILRACE_METRICS_LISTEN=127.0.0.1:{port}")
            agent = (*rights_of_the_manifest(), *settings, "--volume=/var/cache/tailrace")
            engine = ("--read-only", "--cap-drop=ALL", f"--volume={folder}:/rows")
            sink = ("--sink", "jsonl:/rows/flows.jsonl")
            with (
                container(daemon, ENGINE, *engine, arguments=("engine", "--nats", url, *sink)) as one,
                container(daemon, AGENT, *agent, arguments=("agent", "--nats", url)) as two,
            ):
                both = (one, two)
                until(daemon, both, lambda: ready(port), "the agent is ready")
                called = talk(54321)
                found = until(
                    daemon, both, lambda: _whole(str(server), called, 54321), "all bytes are reported"
                )
                codes = [_stopped(daemon, name) for name in (two, one)]
        finally:
            nats.remove()
    assert {row["client.node"] for row in found} == {"node-a"}
    assert {row["client.process.pid"] for row in found} == {os.getpid()}
    assert codes == [0, 0]


def _whole(path: str, port: int, size: int) -> list[dict[str, Any]]:
    """The rows of a port, once they have so many bytes of the client."""
    found = rows(path, port)
    return found if sum(row.get("client.tx_bytes", 0) for row in found) == size else []


def _stopped(daemon: Daemon, name: str) -> int:
    """The exit code after SIGTERM."""
    daemon.docker("stop", "--time=30", name)
    return int(daemon.docker("inspect", "--format={{.State.ExitCode}}", name).stdout)
