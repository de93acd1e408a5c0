"""A Prometheus sink that is scraped over HTTP whenever it has flushed."""

import asyncio
import re
import urllib.request

from model.batch import Batch
from sinks.prometheus.sink import PrometheusConfig, PrometheusSink
from tests.ports import free_port

#: What a scrape counts.
LIVES = ("opened", "closed", "failed")


class Scrapes:
    """The last scrape, and how many rows had been written until then."""

    def __init__(self) -> None:
        self.listen = f"127.0.0.1:{free_port()}"
        self.text = ""
        self.rows = 0

    def scrape(self) -> str:
        """What is there now."""
        with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            self.text = answer.read().decode()
        return self.text

    def sum(self, name: str) -> int:
        """Of all samples of this name."""
        return sum(map(int, re.findall(rf"^{name}{{.*}} (\d+)$", self.text, re.MULTILINE)))


class ScrapedSink(PrometheusSink):
    """One whose last flush a scraper sees."""

    def __init__(self, scrapes: Scrapes) -> None:
        super().__init__(PrometheusConfig(scrapes.listen))
        self._scrapes = scrapes
        self._rows = 0

    async def write(self, batch: Batch) -> None:
        await super().write(batch)
        self._rows += len(batch)

    async def flush(self) -> None:
        await super().flush()
        await asyncio.to_thread(self._scrapes.scrape)
        self._scrapes.rows = self._rows
