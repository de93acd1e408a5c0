"""The Prometheus sink: series of workload pairs, requests, queries, drops and listeners, to be scraped."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Final, Literal

import aiohttp
import msgspec
from aiohttp import web

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.kinds.drop import DROP
from model.kinds.endpoint import ENDPOINT
from model.kinds.listener import LISTENER
from model.kinds.query import QUERY
from model.kinds.workload import PARTS, WORKLOAD
from model.settings import PluginConfig
from sinks.prometheus.durations import DurationSeries
from sinks.prometheus.exposition import (
    CONTENT_TYPE,
    COUNTERS,
    MEASURES,
    counter_lines,
    head,
    histogram_lines,
)
from sinks.prometheus.row_series import RowSeries
from sinks.prometheus.series import Series

Part = Literal["name", "kind", "namespace", "zone", "version"]
_PLACES: Final[dict[str, int]] = dict(
    zip(("name", "kind", "namespace", "zone", "version"), range(len(PARTS)), strict=True)
)


#: Seconds that a sink which listens already has to answer.
_ANSWER_SECONDS: Final = 3.0
#: What no other exposition has.
_OURS: Final = b"tailrace_workload_pairs"


class PrometheusConfig(PluginConfig, frozen=True):
    """Where it listens and how much it keeps; ``--sink prometheus:ADDRESS:PORT`` sets the address.

    :param listen: address and port of ``/metrics``.
    :param pairs: pairs of workloads with series of their own at most; what is beyond is counted as ``other``.
    :param requests: series of each histogram of requests at most, likewise.
    :param queries: series of each metric of DNS at most; what is beyond is counted in one.
    :param names: of DNS that are labels of its histogram at most; others are ``other``.
    :param drops: series of dropped packets at most.
    :param listeners: series of listeners, and listeners with gauges, at most.
    :param expire_seconds: after so long without a row series end.
    :param labels: the parts of workloads that tell pairs apart.
    """

    listen: str = "127.0.0.1:9465"
    pairs: Annotated[int, msgspec.Meta(ge=1, le=1 << 18)] = 2000
    requests: Annotated[int, msgspec.Meta(ge=1, le=1 << 18)] = 2000
    queries: Annotated[int, msgspec.Meta(ge=1, le=1 << 18)] = 2000
    names: Annotated[int, msgspec.Meta(ge=0, le=1 << 18)] = 200
    drops: Annotated[int, msgspec.Meta(ge=1, le=1 << 18)] = 2000
    listeners: Annotated[int, msgspec.Meta(ge=1, le=1 << 18)] = 2000
    expire_seconds: Annotated[int, msgspec.Meta(ge=1)] = 300
    labels: tuple[Part, ...] = ("name", "kind", "namespace", "zone")

    def __post_init__(self) -> None:
        host, colon, port = self.listen.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) < 65536):
            raise ValueError("write listen as ADDRESS:PORT")


class PrometheusSink:
    """Serves series of workload pairs, requests, queries, drops and listeners for Prometheus at ``/metrics``.

    Rows are safe once they are counted; a restart begins at 0, which Prometheus knows to handle.
    """

    Config: ClassVar[type[PluginConfig]] = PrometheusConfig
    kinds: ClassVar[Sequence[str]] = ("workload", "endpoint", "query", "drop", "listener")
    stage: ClassVar[str] = "workloads,endpoints,queries,drops,listeners"

    def __init__(self, config: PrometheusConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.listen = config.listen
        self._config = config
        self._clock = clock
        self._newest = 0
        self._written_at = 0.0
        labels = tuple(sorted(_PLACES[label] for label in set(config.labels)))
        self._series = Series(config.pairs, labels)
        self._durations = DurationSeries(config.requests, labels)
        limits = {QUERY.name: config.queries, DROP.name: config.drops, LISTENER.name: config.listeners}
        self._row_series = RowSeries(limits, config.names, labels)
        self._runner: web.AppRunner | None = None

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Listen.

        :raises SinkError: if the address is taken, or none of this machine.
        """
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        host, _, port = self._config.listen.rpartition(":")
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            what = f"cannot listen on {self._config.listen} ({error.strerror})"
            raise SinkError(what, "choose another address: settings.listen", reason="not_open") from error

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Listen for a moment; where somebody listens already, ask whether that is such a sink.

        :raises SinkError: if the address is that of somebody else, or none of this machine.
        """
        try:
            await self.open(kinds)
        except SinkError:
            if await answers(self._config.listen):
                return f"a Tailrace that runs answers at {self._config.listen}"
            raise
        return f"{self._config.listen} is free"

    async def write(self, batch: Batch) -> None:
        """Count the rows of ``batch``."""
        self.count(batch)

    def count(self, batch: Batch) -> None:
        """Add the rows of ``batch`` to their series."""
        if batch.kind.name == ENDPOINT.name:
            self._durations.add(batch)
        elif batch.kind.name == WORKLOAD.name:
            self._series.add(batch)
        else:
            self._row_series.add(batch)
        self._newest, self._written_at = max(self._newest, batch.window), self._clock()

    async def flush(self) -> None:
        """Nothing is kept back: the next scrape has what was counted."""

    async def close(self) -> None:
        """Stop listening; a scrape under way is finished within a second."""
        runner, self._runner = self._runner, None
        if runner:
            await asyncio.wait_for(runner.cleanup(), 1)

    def exposition(self) -> str:
        """What a scrape gets. Seconds go on where no row comes: pairs are silent then, too."""
        series = self._series
        passed = int(self._clock() - self._written_at)
        oldest = self._newest + passed - self._config.expire_seconds
        series.expire(oldest)
        self._durations.expire(oldest)
        self._row_series.expire(oldest)
        slots = series.shown()
        labels = series.labels(slots)
        parts: list[str] = []
        said = ""
        for place, counter in enumerate(COUNTERS):
            if counter.metric != said:
                parts.append(head(counter.metric, "counter"))
                said = counter.metric
            parts.append(counter_lines(counter, labels, series.counts(place, slots)))
        for place, measure in enumerate(MEASURES):
            parts.append(head(measure.metric, "histogram"))
            parts += histogram_lines(measure.metric, labels, *series.measured(place, slots))
        parts += self._durations.lines()
        parts += self._row_series.lines()
        for metric, kind, value in (
            ("tailrace_workload_pairs", "gauge", len(series)),
            ("tailrace_workload_rows_folded_total", "counter", series.folded),
            ("tailrace_request_series", "gauge", len(self._durations)),
            ("tailrace_request_rows_folded_total", "counter", self._durations.folded),
        ):
            parts.append(f"{head(metric, kind)}{metric} {value}\n")
        return "".join(parts)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.exposition().encode(), headers={"Content-Type": CONTENT_TYPE})


async def answers(listen: str) -> bool:
    """Whether a sink of Tailrace serves ``/metrics`` there."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{listen}/metrics") as answer,
        ):
            return _OURS in await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
