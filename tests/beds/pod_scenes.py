"""Pods come and go at one address, told by an API server to a Tailrace that sees their caller only."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from tests.beds.figures import Figures
from tests.beds.flows import Row, flows_of
from tests.beds.installation import Installation
from tests.beds.kube import Api
from tests.beds.pods import PORT, Pod, Village, owner_of, village
from tests.beds.processes import Client
from tests.beds.watch import Watch
from tests.integration.kubernetes.objects import PodSketch
from tests.nats_server import NatsServer

#: Of a pod, in memory: its address and its container.
IDENTITIES: Final = 2


class Seer(Protocol):
    """Tailrace, limited to the client's network namespace."""

    def told(self) -> list[Row]:
        """What it wrote so far."""

    def await_that(self, condition: Callable[[], bool]) -> None:
        """Returns when it holds."""


class Scene:
    """Pods come and go in a village, told by an API server to a Tailrace."""

    def __init__(self, place: Village, api: Api, seer: Seer, figures: Figures) -> None:
        self.place = place
        self.api = api
        self.seer = seer
        self._figures = figures
        self._known = 0

    def appear(self, pod: Pod) -> None:
        """The pod has the address, and is told."""
        self.place.lead_to(pod)
        self.tell(pod.sketch)

    def tell(self, *pods: PodSketch) -> None:
        """Tailrace knows the pods, and everything that was told before."""
        for pod in pods:
            self.api.put(owner_of(pod), pod.json())
        self._known += IDENTITIES * len(pods)
        self.seer.await_that(lambda: self._figures.identities("kubernetes") >= self._known)

    def vanish(self, pod: Pod) -> None:
        """The pod's process and network are gone, and it is deleted."""
        self.place.remove(pod)
        self.api.delete(pod.sketch.json())

    def call(self, client: Client, pod: Pod, count: int) -> None:
        """Connections to the pod, the first it gets, all of them over at both ends."""
        client.call(pod.sketch.name, self.place.address, PORT, count)
        self.seer.await_that(lambda: len(pod.ids()) == count)

    def hold(self, client: Client) -> list[Row]:
        """A connection that stays open, and its first rows."""
        client.call("held", self.place.address, PORT, 1, hold=True)
        self.seer.await_that(lambda: bool(self._held()))
        return self._held()

    def go_on(self, client: Client, told: Callable[[Row], bool]) -> None:
        """Talk on what is held until a row is as wanted; then the connection ends, which is told."""

        def spoken() -> bool:
            client.again()
            return any(map(told, self._held()))

        self.seer.await_that(spoken)
        client.release()
        self.seer.await_that(lambda: not self._held())

    def _held(self) -> list[Row]:
        """The rows of the connection that has not ended."""
        return [row for rows in self.flows() if not any(map(is_last, rows)) for row in rows]

    def flows(self) -> list[list[Row]]:
        """The rows of each connection to the address so far."""
        found = flows_of(self.seer.told())
        return [flow.rows for flow in found if flow.called.destination == self.place.address]

    def await_ended(self, count: int) -> None:
        """Returns when the ends of so many connections have been told."""

        def ended() -> bool:
            return sum(any(map(is_last, rows)) for rows in self.flows()) >= count

        self.seer.await_that(ended)


def is_last(row: Row) -> bool:
    """Whether it is about the connection's end."""
    return bool(row.get("connection.closed") or row.get("connection.failed"))


@contextlib.contextmanager
def scene(folder: Path, server: NatsServer | None) -> Iterator[Scene]:
    """Everything ready.

    :param server: of an engine and an agent; without it ``tailrace run`` does all.
    """
    figures = Figures()
    with village(folder) as place, Api.started() as api:
        settings = api.environment(folder) | figures.environment
        path, seen = folder / "flows.jsonl", [place.client.namespace]
        with contextlib.ExitStack() as stack:
            seer: Seer
            if server:
                started = Installation.started(server.url(), {"node": seen}, path, settings)
                seer = stack.enter_context(started)
            else:
                seer = stack.enter_context(Watch.started(path, seen, settings))
            yield Scene(place, api, seer, figures)
