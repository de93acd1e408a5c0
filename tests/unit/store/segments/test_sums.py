"""Sums of any window are those of the rows that were taken, whatever became of them: log, files, longer steps."""

from pathlib import Path

import numpy as np
import pytest

from store.reading import Window
from store.segments.limits import Limits
from store.segments.manifest import read
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tests.unit.store.segments.checked import check, edges_of
from tests.unit.store.segments.made import BEGIN, Truth, second, sums_of


def test_rows_of_an_edge_and_second_become_one(tmp_path: Path) -> None:
    """Of several engines, or late; also their most active connections in all."""
    writer = Writer(tmp_path)
    for boot in ("boot-1", "boot-2"):
        row = {"client": 1, "server": 2, "port": 443, "bytes": 5, "connections.active": 3, "rtt": 100}
        writer.take(second(BEGIN, [row], 0, boot))
    writer.sync()
    writer.rotate()
    writer.drained()
    assert {segment.step_s: segment.rows for segment in read(tmp_path).of("rows", 1)} == {1: 1}
    store = SegmentStore(tmp_path)
    measures = store.edges(Window(BEGIN, BEGIN + 1)).measures
    assert [int(measures[name][0]) for name in ("bytes", "connections.active", "rtt_ns.sum")] == [10, 6, 200]
    writer.close()


def test_rows_of_a_log_that_come_twice_add_up_beyond_short_types(tmp_path: Path) -> None:
    """A reader holds 200 in a byte; the sum of two does not fit into one. Other seconds stay as they are."""
    writer, truth = Writer(tmp_path), Truth()
    for seq, (boot, at) in enumerate((("boot-1", 0), ("boot-2", 0), ("boot-1", 1))):
        row = {"client": 1, "server": 2, "port": 443, "bytes": 200, "connections.active": 200, "rtt": 100}
        batch = second(BEGIN + at, [row], seq, boot)
        writer.take(batch)
        writer.sync()
        truth.add(batch)
    store = SegmentStore(tmp_path)
    check(store, truth, Window(BEGIN, BEGIN + 2))
    assert store.edges(Window(BEGIN, BEGIN + 2)).measures["connections.active"].tolist() == [400]
    writer.close()
    store.close()


def test_few_edges_and_columns_have_the_sums_of_all(hours: tuple[Path, Truth]) -> None:
    """They are read in another way."""
    store, window = SegmentStore(hours[0]), Window(BEGIN + 61, BEGIN + 2355)
    whole, series = store.edges(window), store.series(window, 60)
    for row, edge in enumerate(whole.ids.tolist()):
        mine = store.edges(window, [edge], columns=["bytes"])
        assert mine.ids.tolist() == [edge]
        steps = store.series(window, 60, [edge], ["bytes", "rtt_ns"])
        rows = np.flatnonzero(series.ids == edge)
        assert steps.begins_s.tolist() == series.begins_s[rows].tolist()
        for found, all_, at in ((mine, whole, [row]), (steps, series, rows)):
            for name in ("bytes", "first_s", "last_s"):
                assert found.measures[name].tolist() == all_.measures[name][at].tolist()
            quantiles = all_.measures.quantiles("rtt_ns", 0.5)[at]
            assert found.measures.quantiles("rtt_ns", 0.5).tolist() == quantiles.tolist()
            assert "reply_bytes" not in found.measures.columns
    store.close()


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Forty minutes of four seconds each, of which ten are kept by the second and twenty in steps of ten."""
    folder = tmp_path_factory.mktemp("hours")
    writer, truth = Writer(folder, Limits({1: 40, 10: 80, 60: 30 * 86_400})), Truth()
    for place in range(160):
        rows = [{"client": 1 + place % 2, "server": 2, "port": 443, "bytes": place + 1, "rtt": 1000 * place}]
        batch = second(BEGIN + 15 * place, rows, place)
        truth.add(batch)
        writer.take(batch)
        writer.sync()
    writer.drained()
    writer.close()
    return folder, truth


def test_longer_steps_have_the_same_sums(hours: tuple[Path, Truth]) -> None:
    """What is older is kept in longer steps: a window is widened to them, and says so; nothing is lost or doubled."""
    folder, truth = hours
    store = SegmentStore(folder)
    steps = {each.step_s for each in read(folder).segments if each.table == "rows"}
    assert steps == {1, 10, 60}
    widths = set()
    for from_s, to_s in ((0, 2400), (7, 133), (61, 2355), (1234, 1599), (2000, 2395), (333, 334)):
        answer = store.edges(Window(BEGIN + from_s, BEGIN + to_s))
        window = answer.window
        assert window.from_s <= BEGIN + from_s
        assert window.to_s >= BEGIN + to_s
        widths.add(window.seconds - (to_s - from_s))
        names = edges_of(store, answer)
        found = {edge: sums_of(answer.measures, row) for row, edge in enumerate(names)}
        assert found == truth.of(*window)
        for row, edge in enumerate(names):
            place = int(answer.measures["rtt_ns.index"][row])
            assert answer.measures.histograms[place].counts == truth.histogram(*window, edge, "rtt_ns")
    assert {0, 54, 59} <= widths


def test_old_files_become_few(hours: tuple[Path, Truth]) -> None:
    """Minutes are merged to blocks, and what is forgotten has no file."""
    folder, _ = hours
    manifest = read(folder)
    assert len(manifest.of("rows", 60)) < 15
    assert len(manifest.of("workloads")) <= 11
    kept = [min(each.begin_s for each in manifest.of("rows", step)) - BEGIN for step in (60, 10, 1)]
    assert kept[0] == 0 < kept[1] < kept[2]
    files = {str(path.relative_to(folder)) for path in folder.glob("*/*.parquet")}
    assert {segment.file for segment in manifest.segments} <= files
    assert files - {segment.file for segment in manifest.segments} <= set(manifest.dropped)
