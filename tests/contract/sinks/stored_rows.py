"""A store's sink of which a reader in the same process counts what is there whenever it has flushed."""

import json

from model.batch import Batch
from model.errors import SinkError
from store.config import StoreConfig
from store.opening import open_server_store, open_store
from store.reading import Store, Window
from store.sink import StoreSink
from tailrace.testing import Totals

#: All seconds that a store may have.
ALL = Window(0, 1 << 32)


class StoredRows:
    """A store, and how many rows had been flushed to it: rows of flows are summed up, and are not there as such."""

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        self.rows = 0

    def totals(self) -> Totals:
        """What a reader of it counts."""
        store = self._opened()
        try:
            measures = store.edges(ALL).measures
        finally:
            store.close()
        if not len(measures):
            return Totals(rows=self.rows)
        lives = {life: int(measures[f"connections.{life}"].sum()) for life in ("opened", "closed", "failed")}
        return Totals(rows=self.rows, **lives)

    def names(self) -> str:
        """All texts that it has."""
        store = self._opened()
        try:
            return json.dumps([store.workloads().parts, store.instances(ALL).parts])
        finally:
            store.close()

    def _opened(self) -> Store:
        return open_server_store(self.config) if self.config.url else open_store(self.config.path)


class CountingStoreSink(StoreSink):
    """One whose flushes are counted."""

    def __init__(self, output: StoredRows) -> None:
        super().__init__(output.config)
        self._output = output
        self._waiting = 0

    async def write(self, batch: Batch) -> None:
        await super().write(batch)
        self._waiting += len(batch)

    async def flush(self) -> None:
        try:
            await super().flush()
        except SinkError as error:
            self._waiting = self._waiting if error.retryable else 0
            raise
        self._output.rows += self._waiting
        self._waiting = 0
