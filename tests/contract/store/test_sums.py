"""Sums of any window are those of the rows that were taken, whatever became of them: new, sealed, longer steps."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.reading import Store, Window
from tests.contract.store.conftest import MadeSite
from tests.contract.store.sites import SegmentSite, Site
from tests.unit.store.segments.checked import STEP, check, check_series
from tests.unit.store.segments.made import BEGIN, ENDS, Truth, second


def test_a_reader_sees_each_second_when_it_is_safe(site: Site) -> None:
    """Also one that was there before the first row."""
    store = site.store()
    assert len(store.edges(Window(0, 1 << 40))) == 0
    assert store.bounds().newest_s == 0
    assert store.gaps(Window(0, 1 << 40)) == []
    writer, truth = site.writer(), Truth()
    for at in range(5):
        batch = second(
            BEGIN + at, [{"client": 1, "server": 2, "port": 443, "bytes": at + 1, "rtt": 1000}], at
        )
        writer.take(batch)
        assert len(store.edges(Window(BEGIN, BEGIN + 10))) == (at > 0)
        writer.sync()
        truth.add(batch)
        check(store, truth, Window(BEGIN, BEGIN + 10))
        check(store, truth, Window(BEGIN, BEGIN))
        if at == 2:
            writer.rotate()
            writer.drained()
            check(store, truth, Window(BEGIN, BEGIN + 10))
    bounds = store.bounds()
    assert (bounds.oldest_s, bounds.newest_s, bounds.complete_s) == (BEGIN, BEGIN + 4, BEGIN + 5)
    writer.close()
    store.close()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=1, max_size=8), st.data())
def test_any_window_has_the_sums_of_its_rows(
    made_site: MadeSite, steps: list[Any], data: st.DataObject
) -> None:
    """Late rows, seconds that come again, batches that come twice, clocks that step, ends and new starts."""
    site = made_site()
    with closing(site.store()) as store, closing(Current(site)) as current:
        _check_windows(current, store, steps, data)


class Current:
    """The writer at work: whichever that is, it is closed in the end."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.writer = site.writer()

    def reopen(self) -> None:
        """It ends, and another starts."""
        self.writer.close()
        self.writer = self._site.writer()

    def close(self) -> None:
        """It ends."""
        self.writer.close()


def _check_windows(current: Current, store: Store, steps: list[Any], data: st.DataObject) -> None:
    truth, now = Truth(), BEGIN + 50
    for seq, (seconds, rows, then) in enumerate(steps):
        now += seconds
        batch = second(now, rows, seq)
        current.writer.take(batch)
        current.writer.sync()
        truth.add(batch)
        if then == "again":
            current.writer.take(batch)
            current.writer.sync()
        elif then == "rotate":
            current.writer.rotate()
        elif then == "reopen":
            current.reopen()
            current.writer.take(batch)
            current.writer.sync()
    seconds_seen = [at for at, _ in truth.sums] or [now]
    begin, end = min(seconds_seen) - 5, max(seconds_seen) + 5
    at = data.draw(st.integers(begin, end), label="from")
    part = Window(at, data.draw(st.integers(at, end), label="to"))
    step_s = data.draw(st.sampled_from([1, 10, 30, 60]), label="step")
    for _ in range(2):
        check(store, truth, Window(begin, end))
        check(store, truth, part)
        if end - begin < 2000:
            check_series(store, truth, Window(at, end), step_s)
        current.writer.rotate()
        current.writer.drained()


def test_rows_of_an_edge_and_second_become_one(site: Site) -> None:
    """Of several engines, or late; also their most active connections in all."""
    writer, store = site.writer(), site.store()
    for boot in ("boot-1", "boot-2"):
        row = {"client": 1, "server": 2, "port": 443, "bytes": 5, "connections.active": 3, "rtt": 100}
        writer.take(second(BEGIN, [row], 0, boot))
        writer.sync()
    for window in (Window(BEGIN, BEGIN + 1), Window(BEGIN, BEGIN + 60)):
        for _ in range(2):
            measures = store.edges(window).measures
            found = [int(measures[name][0]) for name in ("bytes", "connections.active", "rtt_ns.sum")]
            assert found == [10, 6, 200]
            writer.rotate()
            writer.drained()
    writer.close()
    store.close()


@pytest.mark.parametrize("rotated", [False, True])
def test_few_edges_and_columns_have_the_sums_of_all(site: Site, rotated: bool) -> None:
    """They are read in another way."""
    writer, store, window = site.writer(), site.store(), Window(BEGIN + 61, BEGIN + 2355)
    for place in range(40):
        rows = [{"client": 1 + place % 2, "server": 2, "port": 443, "bytes": place + 1, "rtt": 1000 * place}]
        writer.take(second(BEGIN + 60 * place, rows, place))
        writer.sync()
        if rotated and place % 10 == 5:
            writer.rotate()
            writer.drained()
    whole, series = store.edges(window), store.series(window, 60)
    assert len(whole) == 2
    for row, edge in enumerate(whole.ids.tolist()):
        mine = store.edges(window, [edge], columns=["bytes"])
        assert mine.ids.tolist() == [edge]
        steps = store.series(window, 60, [edge], ["bytes", "rtt_ns"])
        here = np.flatnonzero(series.ids == edge)
        assert steps.begins_s.tolist() == series.begins_s[here].tolist()
        for found, all_, at in ((mine, whole, np.array([row])), (steps, series, here)):
            for name in ("bytes", "first_s", "last_s"):
                assert found.measures[name].tolist() == all_.measures[name][at].tolist()
            quantiles = all_.measures.quantiles("rtt_ns", 0.5)[at]
            assert found.measures.quantiles("rtt_ns", 0.5).tolist() == quantiles.tolist()
            assert "reply_bytes" not in found.measures.columns
    assert len(store.edges(window, [])) == len(store.series(window, 60, [-7])) == 0
    writer.close()
    store.close()


def test_more_edges_than_a_statement_lists(site: Site) -> None:
    """They are chosen all the same."""
    writer, store, window = site.writer(), site.store(), Window(BEGIN, BEGIN + 1)
    rows = [{"client": 1, "server": 2, "port": port, "bytes": port} for port in range(1, 5001)]
    writer.take(second(BEGIN, rows, 0))
    writer.sync()
    ids = store.edges(window).ids
    chosen = np.random.default_rng(7).choice(ids, 3000, replace=False)
    answer = store.edges(window, chosen)
    assert answer.ids.tolist() == sorted(chosen.tolist())
    assert answer.measures["bytes"].tolist() == answer.ports.tolist()
    writer.close()
    store.close()


def test_workloads_have_their_first_and_last_second(site: Site) -> None:
    """As client or server, also of days before; who asks again without change gets the same object."""
    writer, store = site.writer(), site.store()
    for seq, (at, server) in enumerate([(0, 2), (5, 3), (86_400, 2), (86_390, 3)]):
        writer.take(second(BEGIN + at, [{"client": 1, "server": server, "port": 1, "bytes": 1}], seq))
        writer.sync()
    workloads = store.workloads()
    found = dict(
        zip(
            workloads.parts,
            zip(workloads.first_s.tolist(), workloads.last_s.tolist(), strict=True),
            strict=True,
        )
    )
    assert found == {
        ENDS[1]: (BEGIN, BEGIN + 86_400),
        ENDS[2]: (BEGIN, BEGIN + 86_400),
        ENDS[3]: (BEGIN + 5, BEGIN + 86_390),
    }
    assert workloads.ids.tolist() == sorted(workloads.ids.tolist())
    assert store.workloads() is workloads
    writer.close()
    store.close()


def test_writers_of_one_store_add_up(site: Site) -> None:
    """Each after the other on a disk; on a server also at once."""
    truth, store, several = Truth(), site.store(), not isinstance(site, SegmentSite)
    writers = [site.writer()]
    for engine in range(3):
        if engine:
            if not several:
                writers.pop().close()
            writers.append(site.writer())
        for seq in range(4):
            row = {"client": 1 + engine % 2, "server": 2, "port": 443, "bytes": 100, "rtt": 5000}
            batch = second(BEGIN + 20 * seq, [row], seq, f"boot-{engine}")
            writers[-1].take(batch)
            writers[-1].sync()
            truth.add(batch)
            check(store, truth, Window(BEGIN, BEGIN + 120))
    for writer in writers:
        writer.rotate()
        writer.drained()
        check(store, truth, Window(BEGIN, BEGIN + 120))
        writer.close()
    store.close()
