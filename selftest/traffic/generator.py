"""The process that makes the traffic: `python -m selftest.traffic.generator PROFILE`, told what to do on its input.

It answers each of the words prepare, run and finish with one JSON object in a line. When its input ends, it
ends, and with it every process and network namespace it made.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from itertools import chain
from multiprocessing.connection import Pipe
from typing import Final

import msgspec

from selftest.children import Child, Scene, await_all
from selftest.errors import TrafficError
from selftest.network import Network
from selftest.profile import PROFILES, Profile
from selftest.traffic import adopted as traffic_adopted
from selftest.traffic import datagrams as traffic_datagrams
from selftest.traffic import edges as traffic_edges
from selftest.traffic import failed as traffic_failed
from selftest.traffic import listeners as traffic_listeners
from selftest.traffic import long as traffic_long
from selftest.traffic import owners as traffic_owners
from selftest.traffic import reset as traffic_reset
from selftest.traffic import rewritten as traffic_rewritten
from selftest.traffic import short as traffic_short
from selftest.truth import Truth

KINDS: Final = (
    traffic_adopted,
    traffic_long,
    traffic_failed,
    traffic_short,
    traffic_reset,
    traffic_owners,
    traffic_edges,
    traffic_listeners,
    traffic_rewritten,
    traffic_datagrams,
)


class Answer(msgspec.Struct, omit_defaults=True):
    """What the generator says after a word.

    :param error: why the traffic could not be made.
    :param remedy: what to do about it.
    :param processes: the generator's children, after "prepare".
    :param truth: after "finish".
    """

    error: str = ""
    remedy: str = ""
    processes: list[int] = []
    truth: Truth | None = None


class Generator:
    """All scenes and the processes that play them.

    :param abandoned: descriptor that becomes readable when nobody wants the traffic any more.
    """

    def __init__(self, profile: Profile, abandoned: int) -> None:
        self._profile = profile
        self._abandoned = abandoned
        self._plays: list[tuple[Scene, list[Child]]] = []

    @property
    def children(self) -> list[Child]:
        """Every process, whatever it plays."""
        return [child for _, children in self._plays for child in children]

    def prepare(self) -> Answer:
        """Make the namespaces, fork the processes, and let them do what must be done before the start."""
        self._network = Network()
        for kind in KINDS:
            for scene in kind.scenes(self._profile, self._network):
                self._plays.append((scene, []))
                self._cast(*self._plays[-1])
        self._play(self.children)
        return Answer(processes=[child.pid for child in self.children])

    def _cast(self, scene: Scene, children: list[Child]) -> None:
        links = Pipe()
        parts = ("client", "server") if scene.server else ("client",)
        for part, link in zip(parts, links, strict=False):
            children.append(Child(part, scene, self._profile, link))
        for link in links:
            link.close()

    def run(self) -> Answer:
        """Play the background scenes all at once and meanwhile the others one after the other."""
        behind = [child for scene, children in self._plays if scene.background for child in children]
        for child in behind:
            child.start()
        for scene, children in self._plays:
            if not scene.background:
                self._play(children)
        await_all(behind, self._abandoned)
        return Answer()

    def finish(self) -> Answer:
        """Close what is open, and gather the truth."""
        self._play(self.children)
        ports = sorted(set(chain.from_iterable(child.ports for child in self.children)))
        ends = list(chain.from_iterable(child.ends for child in self.children))
        truth = Truth(self._network.host_inode, self._network.inodes, ports, ends)
        return Answer(truth=truth)

    def _play(self, children: list[Child]) -> None:
        for child in children:
            child.start()
        await_all(children, self._abandoned)

    def stop(self) -> None:
        """End every process."""
        for child in self.children:
            child.stop()


def words(descriptor: int) -> Iterator[str]:
    """The words that come in, to the end. They come one at a time, each after the answer to the last."""
    while word := os.read(descriptor, 100):
        yield word.decode().strip()


def obey(generator: Generator, word: str) -> Answer:
    """Do what the word says; failures become answers."""
    try:
        return {"prepare": generator.prepare, "run": generator.run, "finish": generator.finish}[word]()
    except TrafficError as error:
        return Answer(error.what, error.remedy)
    except Exception as error:  # noqa: BLE001 - the one who asked is to hear of it, whatever it is
        return Answer(f"the generator failed: {error!r}")


def say(descriptor: int, answer: Answer) -> None:
    """Write the answer as one line."""
    left = memoryview(msgspec.json.encode(answer) + b"\n")
    while left:
        left = left[os.write(descriptor, left) :]


def main() -> None:
    """Obey until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us through our input
    generator = Generator(PROFILES[sys.argv[1]], sys.stdin.fileno())
    try:
        for word in words(sys.stdin.fileno()):
            with contextlib.suppress(BrokenPipeError):
                say(sys.stdout.fileno(), obey(generator, word))
    finally:
        generator.stop()


if __name__ == "__main__":
    main()
