"""The processes that play the ends of connections: forked once, led phase by phase over a pipe."""

import os
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final

from selftest.errors import TrafficError
from selftest.linux import die_with, enter_network, name_process
from selftest.network import Route
from selftest.part import Body, Part
from selftest.profile import SLOWNESS, Profile
from selftest.truth import End

#: A phase that takes longer kills the process that plays it.
PHASE_SECONDS: Final = round(40 * SLOWNESS)
COMM_BYTES: Final = 15


@dataclass(frozen=True)
class Scene:
    """One kind of traffic on one route.

    :param kind: its name, at most 8 letters, so that the names of its processes fit into ``comm``.
    :param client: what the client's process does.
    :param server: what the server's process does, if there is one.
    :param background: whether it may go on while other scenes play.
    """

    kind: str
    route: Route
    client: Body
    server: Body | None = None
    background: bool = False
    client_uid: int = 0
    server_uid: int = 0


class Child:
    """One process as the generator sees it."""

    def __init__(self, part: str, scene: Scene, profile: Profile, link: "Connection[Any, Any]") -> None:
        self.comm = f"{scene.kind}-{part}"
        if len(self.comm) > COMM_BYTES:
            raise ValueError(f"{self.comm!r} does not fit into comm")
        self.ends: list[End] = []
        self.ports: list[int] = []
        self.done = False
        self.channel, theirs = Pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self.channel.close()
            self._play(part, scene, profile, link, theirs, parent)
        theirs.close()

    def _play(
        self,
        part: str,
        scene: Scene,
        profile: Profile,
        link: "Connection[Any, Any]",
        channel: "Connection[Any, Any]",
        parent: int,
    ) -> None:
        client = part == "client"
        body = scene.client if client else scene.server
        try:
            network = scene.route.client if client else scene.route.server
            _become(self.comm, network, scene.client_uid if client else scene.server_uid, parent)
            assert body is not None
            _live(body, Part(scene.kind, self.comm, scene.route.address, link, profile), channel)
        except BaseException:  # noqa: BLE001 - whatever it is, the generator must hear of it
            channel.send(("failed", f"{self.comm}: {traceback.format_exc(limit=-4)}"))
        finally:
            os._exit(0)

    def start(self) -> None:
        """Begin the next phase.

        :raises TrafficError: if the process is gone.
        """
        self.done = False
        try:
            self.channel.send("go")
        except OSError as error:
            raise TrafficError(f"the process {self.comm} is gone") from error

    def receive(self) -> None:
        """Take the end of the phase.

        :raises TrafficError: if the process failed or is gone.
        """
        try:
            what, content = self.channel.recv()
        except (EOFError, OSError) as error:
            raise TrafficError(f"the process {self.comm} died within a phase") from error
        if what == "failed":
            raise TrafficError(content)
        self.ends, self.ports = content
        self.done = True

    def stop(self) -> None:
        """Kill it, whatever it does, and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()


def _become(comm: str, network: int | None, uid: int, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the generator's matter
    if network is not None:
        enter_network(network)
    name_process(comm)
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    die_with(parent)


def _live(body: Body, part: Part, channel: "Connection[Any, Any]") -> None:
    """Play ``body`` phase by phase; after the last, tell what was recorded."""
    playing: Iterator[None] = body(part)
    for last in (False, False, True):
        channel.recv()
        signal.alarm(PHASE_SECONDS)
        next(playing, None)
        signal.alarm(0)
        channel.send(("done", (part.ends if last else [], part.ports)))


def await_all(children: list[Child], abandoned: int) -> None:
    """Wait until every one of ``children`` has ended its phase.

    :param abandoned: descriptor that becomes readable when nobody wants the traffic any more.
    :raises TrafficError: if one failed, is gone, or takes too long.
    """
    waiting = {child.channel: child for child in children if not child.done}
    while waiting:
        ready = wait([*waiting, abandoned], PHASE_SECONDS + 5)
        if not ready:
            raise TrafficError(f"the process {next(iter(waiting.values())).comm} hangs")
        if abandoned in ready:
            raise TrafficError("the traffic was abandoned within a phase")
        for channel in ready:
            assert isinstance(channel, Connection)
            waiting.pop(channel).receive()
