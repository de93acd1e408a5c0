"""``tailrace selftest``: the whole pipeline watches known traffic, and what comes out is compared with it."""

import asyncio
import json
from collections.abc import Sequence
from typing import ClassVar

from engine import graphs
from engine.config import Config
from model.batch import Batch
from model.kind import Kind
from model.kinds.delta import DELTA
from model.settings import PluginConfig
from selftest.collect import collect
from selftest.comparison import compare
from selftest.profile import PROFILES
from selftest.report import Report
from selftest.traffic.run import Traffic
from selftest.truth import Truth
from sinks.configured import ConfiguredSink


class CollectingSink:
    """Keeps every batch."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig  # takes no settings

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Batch) -> None:
        """Keeps the batch."""
        assert isinstance(batch, Batch)  # the stage that was asked for
        self.batches.append(batch)

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing to let go of."""


class SelfTest:
    """One run: sockets of before the start, the pipeline, the traffic, the comparison.

    :param profile: ``full`` or ``quick``.
    """

    sink: ClassVar[str] = "selftest"

    def __init__(self, config: Config, profile: str) -> None:
        self._collected = CollectingSink()
        self._role = graphs.run(config, {self.sink: ConfiguredSink(self._collected, [DELTA])})
        self._profile = profile

    async def run(self) -> Report:
        """Makes the traffic and returns the comparison.

        :raises TailraceError: if the pipeline cannot start or the traffic cannot be made.
        """
        with Traffic(PROFILES[self._profile]) as traffic:
            await asyncio.to_thread(traffic.prepare)
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self._role.run(ready))
                tasks.create_task(self._watched(traffic, ready, running))
            truth = self._truth
        ledger = self._role.ledger.as_dict()
        return compare(truth, collect(self._collected.batches), ledger)

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
            self._role.stop()


def run_selftest(config: Config, output: str, profile: str = "full") -> int:
    """Prints the report; returns 0 only if everything is exact."""
    try:
        report = asyncio.run(SelfTest(config, profile).run())
    except* Exception as errors:
        raise first_error(errors) from errors
    print(json.dumps(report.as_dict(), indent=2) if output == "json" else report.as_text())
    return 0 if report.exact else 1


def first_error(errors: "BaseExceptionGroup[BaseException]") -> BaseException:
    """The first error of a group that is none itself."""
    first = errors.exceptions[0]
    return first_error(first) if isinstance(first, BaseExceptionGroup) else first
