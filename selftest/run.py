"""``tailrace selftest``: the whole pipeline watches known traffic, and what comes out is compared with it."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Protocol

from model.batch import Batch
from model.kind import Kind
from model.ledger import Ledger
from model.settings import PluginConfig
from model.sink import Sink
from model.standard_output import show
from model.transport import Transport
from selftest.collect import collect
from selftest.comparison import compare
from selftest.profile import PROFILES
from selftest.report import Report
from selftest.traffic.run import Traffic
from selftest.truth import Truth


class Pipeline(Protocol):
    """What watches the traffic."""

    @property
    def ledger(self) -> Ledger:
        """What it lost."""

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Watches until stop(), and gives deltas to its sink; ``ready`` is set when it sees new sockets."""

    def stop(self) -> None:
        """Makes run() hand on what is left and return."""


#: What the configuration says of UDP.
Udp = Literal["auto", "on", "off"]
#: Makes a pipeline that gives the rows of sockets to this sink.
MakePipeline = Callable[[Sink], Pipeline]


class CollectingSink:
    """Keeps every batch."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig  # takes no settings

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Batch) -> None:
        """Keeps the batch."""
        self.batches.append(batch)

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing to let go of."""


class SelfTest:
    """One run: sockets of before the start, the pipeline, the traffic, the comparison.

    :param profile: ``full`` or ``quick``.
    :param udp: whether datagrams are to be seen; ``auto``: if any is.
    """

    def __init__(self, make_pipeline: MakePipeline, profile: str, udp: Udp) -> None:
        self._udp = udp
        self._collected = CollectingSink()
        self._pipeline = make_pipeline(self._collected)
        self._profile = profile

    async def run(self) -> Report:
        """Makes the traffic and returns the comparison.

        :raises TailraceError: if the pipeline cannot start or the traffic cannot be made.
        """
        with Traffic(PROFILES[self._profile]) as traffic:
            await asyncio.to_thread(traffic.prepare)
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self._pipeline.run(ready))
                tasks.create_task(self._watched(traffic, ready, running))
            truth = self._truth
        ledger, sockets = self._pipeline.ledger.as_dict(), collect(self._collected.batches)
        seen = self._udp == "on" or bool((sockets["network.transport"] == Transport.UDP).any())
        watched = truth if seen and self._udp != "off" else truth.without_datagrams()
        return compare(watched, sockets, ledger)

    async def _watched(self, traffic: Traffic, ready: asyncio.Event, running: "asyncio.Task[None]") -> None:
        """Waits for the probe to be attached, then makes the traffic; the pipeline stops whatever happens."""
        attached = asyncio.ensure_future(ready.wait())
        await asyncio.wait({attached, running}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if ready.is_set():
                await asyncio.to_thread(traffic.run)
                self._truth: Truth = await asyncio.to_thread(traffic.finish)
        finally:
            attached.cancel()
            self._pipeline.stop()


def run_selftest(make_pipeline: MakePipeline, output: str, profile: str = "full", udp: Udp = "auto") -> int:
    """Prints the report; returns 0 only if everything is exact."""
    try:
        report = asyncio.run(SelfTest(make_pipeline, profile, udp).run())
    except* Exception as errors:
        raise first_error(errors) from errors
    show(json.dumps(report.as_dict(), indent=2) if output == "json" else report.as_text())
    return 0 if report.exact else 1


def first_error(errors: "BaseExceptionGroup[BaseException]") -> BaseException:
    """The first error of a group that is none itself."""
    first = errors.exceptions[0]
    return first_error(first) if isinstance(first, BaseExceptionGroup) else first
