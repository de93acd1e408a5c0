"""Secrets of requests are nowhere: not in the kernel's maps and rings, nor in anything that is kept, sent or said.

HTTP/1 and HTTP/2, in the clear and in TLS; header blocks of HTTP/2 alone are in a ring, for their decoder. The public
words of the same requests are found in the same places: the search can fail.
"""

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from pyarrow import parquet

from engine.config import Config
from engine.plugins.probes import select
from engine.recording.file import Recording
from engine.recording.layout import RecordingError
from tests.kernel import http2_traffic, tls_traffic
from tests.kernel import http_traffic as traffic
from tests.kernel.kernel_memory import maps_of, rings_of
from tests.kernel.loopback import until
from tests.nats_server import NatsServer
from tests.ports import free_port

pytestmark = pytest.mark.kernel

START_SECONDS: Final = 120
SETTLE_SECONDS: Final = 30
TAILRACE: Final = str(Path(sys.executable).parent / "tailrace")
#: In clear text, and as the field Authorization has it.
SECRETS: Final = (b"s3cr3t", base64.b64encode(b"s3cr3t:")[:8], base64.b64encode(b"user:s3cr3t")[:14])
#: A word of the path of each request: of HTTP/1 and HTTP/2, and of both in TLS.
PUBLIC: Final = "marmalade"
PUBLIC_2: Final = "lemoncurd"
PUBLIC_TLS: Final = "quincejelly"
PUBLIC_2_TLS: Final = "applebutter"
#: Programs that have probes.
PROBING: Final = ("agent", "record", "run")
#: What each writes when it has begun. The agent is first: it compiles what the others find kept.
FILES: Final = {
    "agent": (),
    "engine": ("engine.rows",),
    "record": ("record.rows", "recording"),
    "run": ("run.rows", "store"),
}
#: What has the routes of requests, in clear text or unpacked.
KEPT: Final = ("engine.rows", "record.rows", "run.rows", "recording", "store")
STAGES: Final = "requests,flows,workloads"
SETTINGS: Final = """
http: {enabled: on, tls: on, cells: 1024, paths: 1024}
tcp: {slots: 4096}
process: {executions: off}
nat: {source: off}
envoy: {enabled: off}
"""


@dataclass(frozen=True)
class Site:
    """Programs that watch the same requests, and all that they write.

    :param running: by role; the agent sends to the engine over NATS.
    :param places: files and folders by what they are.
    """

    running: "dict[str, subprocess.Popen[bytes]]"
    places: dict[str, Path]

    @property
    def agent(self) -> int:
        """Its process."""
        return self.running["agent"].pid

    def probed(self, library: Path) -> bool:
        """Whether all programs have probes in a library."""
        return all(tls_traffic.probed(self.running[role].pid, library) for role in PROBING)

    def have_last(self, *words: str) -> bool:
        """Whether the rows of all have the last request of each of these."""
        texts = [self.places[name].read_text() for name in KEPT if name.endswith(".rows")]
        return all(f"/{word}/last" in text for word in words for text in texts)

    def find(self, words: tuple[bytes, ...], places: Iterable[str]) -> dict[str, list[str]]:
        """The files with one of these words, by place."""
        return {
            place: [
                str(file)
                for file in _files(self.places[place])
                if any(word in _content(file) for word in words)
            ]
            for place in places
        }


def _content(file: Path) -> bytes:
    """What is in a file, unpacked where it is packed."""
    if file.suffix == ".parquet":
        return repr(parquet.read_table(file).to_pylist()).encode()
    with contextlib.suppress(FileNotFoundError):  # the server of messages makes one of several files
        return _recorded(file) if file.name == "recording" else file.read_bytes()
    return b""


def _recorded(file: Path) -> bytes:
    """All frames of a recording that is being written."""
    recording = Recording(file, select(Config()).event_types)
    frames = []
    with contextlib.closing(recording), contextlib.suppress(RecordingError):  # its end is not there yet
        frames += [frame.data for frame in recording.frames()]
    return b"".join(frames)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


@pytest.fixture(scope="module")
def site(reading_tls: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An agent and its engine, a recording, and a program that keeps a map; all of them have begun."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "settings").write_text(SETTINGS)
    server = NatsServer()
    url, places = server.url(), {"messages": server.folder}
    roles = {
        "agent": ["agent", "--nats", url],
        "engine": ["engine", "--nats", url, "--stage", STAGES, "--sink", f"jsonl:{folder / 'engine.rows'}"],
        "record": [
            *("record", str(folder / "recording"), "--stage", f"{STAGES},deltas"),
            *("--sink", f"jsonl:{folder / 'record.rows'}"),
        ],
        "run": ["run", "--stage", STAGES, "--sink", f"jsonl:{folder / 'run.rows'}", "--sink", "console"],
    }
    with contextlib.ExitStack() as stack:
        stack.callback(server.remove)
        server.start()
        running = {}
        for role, arguments in roles.items():
            running[role] = stack.enter_context(_started(role, arguments, folder))
            places[f"log of {role}"] = folder / f"{role}.log"
            for name in FILES[role]:
                places[name] = folder / name
                assert until(partial(_has_begun, running[role], places[name]), START_SECONDS), name
            assert running[role].poll() is None, places[f"log of {role}"].read_text()
        yield Site(running, places)
        for process in running.values():  # at once: the kernel takes seconds to remove the probes of each
            process.kill()


def _has_begun(program: "subprocess.Popen[bytes]", file: Path) -> bool:
    return program.poll() is not None or (file.exists() and (file.is_dir() or file.stat().st_size > 0))


@contextlib.contextmanager
def _started(role: str, arguments: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A program whose standard output and error are a file."""
    settings = {
        "TAILRACE_STORE_ENABLED": "on" if role == "run" else "off",
        "TAILRACE_STORE_PATH": str(folder / "store"),
        "TAILRACE_WEB_LISTEN": f"127.0.0.1:{free_port()}",
        "TAILRACE_LOG_LEVEL": "debug",
    }
    with (folder / f"{role}.log").open("wb") as log:
        process = subprocess.Popen(
            [TAILRACE, arguments[0], "--config", folder / "settings", *arguments[1:]],
            stdout=log,
            stderr=log,
            env=os.environ | settings,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def asked(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All requests of HTTP/1 were made, and rows of all programs have the last ones."""
    tls = ssl._create_unverified_context()
    with (
        traffic.nginx(tmp_path_factory.mktemp("nginx") / "server") as plain,
        tls_traffic.nginx(tmp_path_factory.mktemp("tls")) as secure,
    ):
        assert until(partial(site.probed, tls_traffic.libssl_of(secure.worker)), SETTLE_SECONDS)
        for server, word, context in ((plain, PUBLIC, None), (secure, PUBLIC_TLS, tls)):
            traffic.secrets(server.port, word, context)
            client = traffic.Client(server.port, context)
            client.ask("GET", f"/{word}/last")
            client.close()
        _named_in_the_address()
        assert until(partial(site.have_last, PUBLIC, PUBLIC_TLS), SETTLE_SECONDS)


@pytest.fixture(scope="module")
def asked_in_frames(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Likewise those of HTTP/2."""
    with (
        traffic.nginx(tmp_path_factory.mktemp("nginx") / "server", "http2") as plain,
        tls_traffic.nginx(tmp_path_factory.mktemp("tls")) as secure,
    ):
        assert until(partial(site.probed, tls_traffic.libssl_of(secure.worker)), SETTLE_SECONDS)
        http2_traffic.secrets(plain.port, PUBLIC_2)
        http2_traffic.curl_with_secrets(secure.port, PUBLIC_2_TLS)
        assert until(partial(site.have_last, PUBLIC_2, PUBLIC_2_TLS), SETTLE_SECONDS)


def _named_in_the_address() -> None:
    """A user and a password in front of the host, which nginx refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asks = f"GET http://user:{traffic.SECRET}@localhost/{PUBLIC} HTTP/1.1\r\n{traffic.FIELDS}\r\n"
        traffic.exchange(server, asks.encode(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.usefixtures("asked")
def test_no_map_and_no_ring_of_the_kernel_has_a_secret_of_http_1(site: Site) -> None:
    """Those of all programs of the agent, also maps that no descriptor of it is for; public words are in a ring."""
    maps, rings = maps_of(site.agent), rings_of(site.agent)
    assert {"http_states", "http_scratches", "request_cells", "http_paths", "cells"} <= maps.keys()
    for word in (PUBLIC, PUBLIC_TLS):
        assert any(word.encode() in ring for ring in rings)
    found = [name for name, data in maps.items() if any(secret in data for secret in SECRETS)]
    assert found == []
    assert not any(secret in ring for ring in rings for secret in SECRETS)


def _is_kept(site: Site, word: str) -> bool:
    return all(site.find((word.encode(),), KEPT).values())


@pytest.mark.usefixtures("asked", "asked_in_frames")
def test_nothing_that_is_kept_or_sent_has_a_secret(site: Site) -> None:
    """Recording, messages on NATS, the store's files, rows, logs; public words are in what has routes.

    Of HTTP/2 the kernel's ring has secrets as they are searched for: they came to its decoder, and no further.
    """
    for word in (PUBLIC, PUBLIC_2, PUBLIC_TLS, PUBLIC_2_TLS):
        assert until(partial(_is_kept, site, word), SETTLE_SECONDS), word
    rings = rings_of(site.agent)
    assert all(any(secret in ring for ring in rings) for secret in (SECRETS[0], SECRETS[2]))
    assert {place: files for place, files in site.find(SECRETS, site.places).items() if files} == {}
    maps = maps_of(site.agent)
    assert [name for name, data in maps.items() if any(secret in data for secret in SECRETS)] == []
