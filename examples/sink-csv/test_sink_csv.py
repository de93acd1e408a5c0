"""The CSV sink is held to the contract of all sinks."""

import csv
from pathlib import Path

import pytest
from tailrace_sink_csv import CsvConfig, CsvSink

from tailrace.testing import SinkContract, Totals


class TestCsv(SinkContract):
    """Into a file of the test."""

    sink_class = CsvSink

    def make(self, output: Path) -> CsvSink:
        return CsvSink(CsvConfig(str(output)))

    async def read(self, output: Path) -> Totals:
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        totals = Totals(rows=len(rows))
        for life in ("opened", "closed", "failed"):
            totals[life] = sum(row[f"connection.{life}"] == "True" for row in rows)
        return totals

    @pytest.fixture
    def full(self) -> Path:
        return Path("/dev/full")
