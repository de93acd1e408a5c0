"""A store's sink of which a reader in the same process counts what is there whenever it has flushed."""

import json
from pathlib import Path

from model.batch import Batch
from store.config import StoreConfig
from store.opening import open_store
from store.reading import Window
from store.sink import StoreSink
from tailrace.testing import Totals

#: All seconds that a store may have.
ALL = Window(0, 1 << 32)


class StoredRows:
    """A folder, and how many rows had been flushed to it: rows of flows are summed up, and are not there as such."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0

    def totals(self) -> Totals:
        """What a reader of it counts."""
        store = open_store(str(self.folder))
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
        store = open_store(str(self.folder))
        try:
            return json.dumps([store.workloads().parts, store.instances(ALL).parts])
        finally:
            store.close()


class CountingStoreSink(StoreSink):
    """One whose flushes are counted."""

    def __init__(self, output: StoredRows) -> None:
        super().__init__(StoreConfig(str(output.folder)))
        self._output = output
        self._waiting = 0

    async def write(self, batch: Batch) -> None:
        await super().write(batch)
        self._waiting += len(batch)

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, 0
        await super().flush()
        self._output.rows += waiting
