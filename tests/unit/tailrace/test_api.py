"""The public face: what it loads, and that its suites find what is wrong."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from model.batch import Batch
from model.kind import Kind
from model.kinds.flow import FLOW
from model.settings import PluginConfig
from tailrace import api
from tailrace.testing import EnricherContract, SinkContract, Totals, make_batch
from tests.scripted_enricher import ScriptedEnricher

#: Rows, by the name of an output.
WRITTEN: dict[str, int] = {}


def test_plugins_load_the_ground_alone() -> None:
    """Importing the face loads no room but ``model``, and no Faust, NATS or pytest."""
    code = "import sys, tailrace.api; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"tailrace", "model"} <= loaded
    others = {
        "engine",
        "sinks",
        "alerts",
        "store",
        "web",
        "enrichers",
        "actors",
        "probes",
        "bpf",
        "selftest",
        "faust",
        "nats",
        "pytest",
    }
    assert not loaded & others


def test_all_that_is_public_is_there() -> None:
    """What the face lists can be imported from it."""
    assert all(hasattr(api, name) for name in api.__all__)
    assert (
        sorted(api.__all__, key=lambda name: (name.upper() != name, name[0].islower(), name)) == api.__all__
    )


def test_batches_are_of_any_kind_and_the_same_again() -> None:
    """Of kinds that nobody made a maker for too: every column is of its type."""
    ping = Kind("ping", "pings", (api.Column("host.address", "V16"), api.Column("ttl", "<u1")))
    for kind in (*api.kinds(), ping):
        batch, again = (make_batch(kind, 50, seed=3, text=b"x\xff") for _ in range(2))
        assert len(list(batch.rows())) == 50
        assert {name: column.dtype.str for name, column in batch.columns.items()} == {
            column.name: column.dtype.str for column in kind.columns
        }
        assert batch.encode() == again.encode()


class Keeping:
    """Keeps rows until it is closed; a right one but for that."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig
    kinds: ClassVar[Sequence[str]] = ("flow",)

    def __init__(self, output: str) -> None:
        self.output, self.rows = output, 0

    async def open(self, kinds: Sequence[Kind]) -> None:
        WRITTEN[self.output] = 0

    async def write(self, batch: Batch) -> None:
        self.rows += len(batch)

    async def flush(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        WRITTEN[self.output] = self.rows


class Cutting(Keeping):
    """Loses what is beyond a thousand rows, without a word."""

    async def write(self, batch: Batch) -> None:
        self.rows += min(len(batch), 1000)

    async def flush(self) -> None:
        WRITTEN[self.output] = self.rows


class Suite(SinkContract):
    """The contract for a sink that keeps numbers of rows."""

    __test__ = False
    sink_class = Keeping

    def make(self, output: str) -> Keeping:
        return self.sink_class(output)

    async def read(self, output: str) -> Totals:
        return Totals(rows=WRITTEN.get(output, 0))


def test_a_sink_that_does_not_flush_fails() -> None:
    """Its rows are there when it is closed, which is too late."""
    Suite().test_all_rows_are_in_the_output(FLOW, "keeping")
    with pytest.raises(AssertionError):
        Suite().test_what_was_flushed_is_safe(FLOW, "keeping")


def test_a_sink_that_loses_rows_in_silence_fails() -> None:
    """A large batch shows it."""

    class Cut(Suite):
        sink_class = Cutting

    Cut().test_what_was_flushed_is_safe(FLOW, "cutting")
    with pytest.raises(AssertionError):
        Cut().test_all_rows_are_in_the_output(FLOW, "cutting")


class Knowing(EnricherContract):
    """The contract for an enricher that counts nothing."""

    __test__ = False
    enricher_class = ScriptedEnricher

    def make(self, folder: Path) -> Any:
        return ScriptedEnricher("x", {(api.KeyKind.NODE, "n0"): {"rack.name": "r7"}})

    def key(self, number: int) -> tuple[api.KeyKind, str]:
        return api.KeyKind.NODE, f"n{number}"


def test_an_enricher_that_does_not_count_fails(tmp_path: Path) -> None:
    """Every look-up is a hit or a miss."""
    Knowing().test_it_keeps_the_protocol(tmp_path)
    with pytest.raises(AssertionError):
        Knowing().test_statistics_add_up(tmp_path)
