"""Rules over time: they are broken when plain sums of the same rows say so, and not by silence."""

import random
from collections import defaultdict

import numpy as np
import pytest

from actors.rules.grammar import alert_rule, slo_rule
from actors.rules.rules import Broken, Rules
from actors.rules.series import Series
from actors.trouble.instances import Instance
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import OTHER, WORKLOAD, Workload

NAMES = ("web", "app", "cart", "db")
TABLE = [OTHER, *(Workload(name, "Deployment", "shop", "a", "1") for name in NAMES)]
BEGIN = 1_800_000_000


def connects(rows: list[tuple[int, int, int, int]]) -> Batch:
    """Rows of client, server, opened and failed."""
    columns = WORKLOAD.empty(len(rows))
    names = ("client.workload.index", "server.workload.index", "connections.opened", "connections.failed")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        columns[name][:] = values
    columns["server.port"][:] = 80
    return Batch(WORKLOAD, "n", "b", 0, BEGIN, columns, {"workloads": TABLE})


def requests(status: list[int], counts: list[int], nanoseconds: list[int]) -> Batch:
    """Rows of requests from web to cart, each of which took so long."""
    columns = ENDPOINT.empty(len(status))
    columns["client.workload.index"][:], columns["server.workload.index"][:] = 1, 3
    columns["http.response.status_code"][:], columns["requests"][:] = status, counts
    numbers = np.arange(1, len(status) + 1)
    columns["http.server.request.duration_ns.index"][:] = numbers
    times = Histograms.of(np.repeat(numbers, counts), np.repeat(nanoseconds, counts), len(status) + 1)
    tables = {"workloads": TABLE, "histograms": times}
    return Batch(ENDPOINT, "n", "b", 0, BEGIN, columns, tables)


def ids(batch: Batch) -> np.ndarray:
    return np.arange(100, 100 + len(batch), dtype=np.uint64)


class Bed:
    """Rules, and ticks of so many seconds."""

    def __init__(self, *texts: str, least: float = 1, tick_s: int = 10) -> None:
        rules = [
            (slo_rule if " over " in text else alert_rule)(f"r{place}", text, "critical", least)
            for place, text in enumerate(texts)
        ]
        self.rules = Rules(rules)
        self.now = BEGIN
        self.tick_s = tick_s

    def tick(self, *batches: Batch, complete: bool = True) -> list[Broken]:
        for batch in batches:
            self.rules.add(batch, ids(batch))
        self.now += self.tick_s
        return self.rules.end_tick(float(self.now - self.tick_s), float(self.now), complete=complete)


@pytest.mark.parametrize(
    ("by", "where"),
    [
        ("server", ""),
        ("client", "ns:shop"),
        ("edge", "server.workload:c*"),
        ("all", ""),
        ("all", "server.workload:c*"),
    ],
)
def test_it_is_broken_where_plain_sums_say_so(by: str, where: str) -> None:
    """Random rows; a tick alone decides."""
    chance = random.Random(7)
    bed = Bed(f"failed > 30% for 10s by {by}{' where ' * bool(where)}{where}")
    for _ in range(50):
        rows = [
            (chance.randrange(1, 5), chance.randrange(1, 5), chance.randrange(0, 9), chance.randrange(0, 5))
            for _ in range(12)
        ]
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for client, server, opened, failed in rows:
            name = {
                "server": f"shop/{NAMES[server - 1]}",
                "client": f"shop/{NAMES[client - 1]}",
                "edge": f"shop/{NAMES[client - 1]} > shop/{NAMES[server - 1]}:80",
                "all": "r0",
            }[by]
            if not where.startswith("server") or NAMES[server - 1].startswith("c"):
                sums[name][0] += failed
                sums[name][1] += opened + failed
        bad = {name for name, (failed, total) in sums.items() if total and failed > 0.3 * total}
        broken = bed.tick(connects(rows[:6]), connects(rows[6:]))
        assert {each.subject for each in broken if not each.silent} == bad


def test_it_is_so_long_before_it_counts() -> None:
    """Ticks without traffic do not make it well, one below the limit does; of missing data nothing follows."""
    bad, well = connects([(1, 3, 5, 5)]), connects([(1, 3, 10, 0)])
    bed = Bed("failed > 5% for 30s")
    assert [len(bed.tick(bad)) for _ in range(3)] == [0, 1, 1]
    assert bed.tick(well) == []
    assert bed.tick(bad) == []
    (silent,) = bed.tick()
    assert silent.silent
    (again,) = bed.tick(bad)
    assert (again.silent, again.since, again.bad, again.total) == (False, BEGIN + 40, 10, 20)
    (unsure,) = bed.tick(well, complete=False)
    assert unsure.silent
    assert bed.tick(well) == []


def test_few_bad_ones_are_no_trouble() -> None:
    bed = Bed("failed > 5% for 10s", least=5)
    told = [len(bed.tick(connects([(1, 3, 0, 2)]))) for _ in range(4)]
    assert told == [0, 0, 1, 1]


def test_an_hour_of_silence_ends_it() -> None:
    bed = Bed("failed > 5% for 10s")
    bed.tick(connects([(1, 3, 0, 9)]))
    assert sum(len(bed.tick()) for _ in range(400)) == pytest.approx(360, abs=1)


def test_the_worst_edges_are_named_with_their_shares() -> None:
    bed = Bed("failed > 5% for 10s")
    (broken,) = bed.tick(connects([(1, 3, 5, 5), (2, 3, 0, 8), (4, 3, 10, 0)]))
    assert broken.edges == {101: 1.0, 100: 0.5}
    assert broken.says == "of connects failed (rule r0: at most 5 %)"


def test_words_of_filters_and_times_count_requests() -> None:
    """A bucket of times is nine percent wide: what is told apart lies further apart."""
    batch = requests([200, 404, 500, 503], [80, 10, 6, 4], [10**6, 10**6, 10**9, 10**6])
    bed = Bed("status:5xx > 9% for 10s", "status:5xx > 10% for 10s", "slower:300ms > 5.9% for 10s")
    broken = bed.tick(batch)
    assert [(each.rule.name, each.bad, each.total) for each in broken] == [("r0", 10, 100), ("r2", 6, 100)]
    assert broken[1].says == "of requests slower than 300ms (rule r2: at most 5.9 %)"


def test_ends_that_are_instances_are_chosen_as_workloads_are() -> None:
    """All instances of a workload are one series."""
    columns = connects([(1, 3, 5, 5), (1, 4, 5, 5), (1, 2, 5, 5)]).columns
    ends = [("web", "1"), ("app", "1"), ("cart", "1"), ("cart", "2")]
    table = [
        Instance("", "other"),
        *(Instance(n, "Deployment", "shop", "a", v, "n1", "", f"{n}-{v}") for n, v in ends),
    ]
    batch = Batch(WORKLOAD, "n", "b", 0, BEGIN, columns, {"workloads": table})
    bed = Bed(
        "failed > 5% for 10s where server.workload:shop/cart zone:a", "failed > 5% for 10s where version:2"
    )
    assert [(each.key, each.total) for each in bed.tick(batch)] == [
        ("rule/r0/shop/cart", 20),
        ("rule/r1/shop/cart", 10),
    ]


def test_requests_through_a_proxy_count_once() -> None:
    """At its two sides, or from end to end where a rule asks for that; calls are those of gRPC alone."""
    batch = requests([200, 500, 500], [10, 10, 30], [10**6] * 3)
    batch.columns["requests.failed"][:] = 0, 10, 30
    batch.columns["via.index"][2] = 1
    batch.columns["rpc.system"][1] = b"grpc"
    batch.columns["rpc.grpc.status_code"][1] = 14
    via = batch.with_tables(vias=[("", ""), ("mesh/gateway", "cart")])
    bed = Bed(
        "failed of requests > 1% for 10s",
        "failed of requests > 1% for 10s where via:mesh/gateway",
        "failed of calls > 1% for 10s",
    )
    told = [(each.rule.name, each.bad, each.total) for each in bed.tick(via)]
    assert told == [("r0", 10, 20), ("r1", 30, 30), ("r2", 10, 10)]


def test_counts_are_handed_on_to_be_explained() -> None:
    rules = Rules(
        [alert_rule(str(n), text, "error", 1) for n, text in enumerate(("failed > 1%", "rtx > 1%"))]
    )
    batch = connects([(1, 3, 5, 5), (2, 3, 0, 8)])
    assert rules.add(batch, ids(batch)).tolist() == [[5, 0, 10, 0], [8, 0, 8, 0]]


def burn(bed: Bed, seconds: int, failed: int) -> list[tuple[int, str]]:
    """Seconds after which it was first broken with which severity; 1,000 connects in each tick."""
    seen: list[tuple[int, str]] = []
    for passed in range(bed.tick_s, seconds + bed.tick_s, bed.tick_s):
        for each in bed.tick(connects([(1, 3, 1000 - failed, failed)])):
            if each.severity not in [severity for _, severity in seen]:
                seen.append((passed, each.severity))
    return seen


def test_an_objective_is_told_fast_and_slow() -> None:
    """99.9 % over 30 days: the fast rate is 1.44 % in an hour and in 5 minutes, the slow one 0.6 % in six hours."""
    bed = Bed("99.9% of connects ok over 30d", tick_s=60)
    assert burn(bed, 6 * 3600, 0) == []
    (fast,) = burn(bed, 3600, 20)[-1:]  # 2 %: an hour's share is 1.44 % after 43 minutes
    assert fast[1] == "critical"
    assert fast[0] == pytest.approx(0.72 * 3600, abs=120)
    slow = burn(Bed("99.9% of connects ok over 30d", tick_s=60), 6 * 3600, 7)
    assert [severity for _, severity in slow] == ["error"]
    assert slow[0][0] == pytest.approx(6 / 7 * 6 * 3600, abs=120)


def test_an_objective_is_well_again_soon() -> None:
    """The short window ends it: five minutes after the fast one, thirty after the slow one."""
    bed = Bed("99.9% of connects ok over 30d", tick_s=60)
    burn(bed, 3600, 100)
    assert [severity for _, severity in burn(bed, 40 * 60, 0)] == ["critical", "error"]
    assert burn(bed, 600, 0) == []


def test_a_blip_spends_no_budget() -> None:
    bed = Bed("99.9% of connects ok over 30d", tick_s=60)
    burn(bed, 3600, 0)
    assert burn(bed, 60, 200) == []


def test_series_are_bounded_and_let_go() -> None:
    rule = alert_rule("r", "failed > 1%", "error", 1)
    series = Series(rule, most=2)
    numbers = [series.number(name) for name in ("a", "b", "c", "a")]
    assert (numbers, series.refused) == ([0, 1, -1, 0], 1)
    series.add(np.array([0, 1]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    series.end_tick(0.0, 10.0, complete=True)
    for tick in range(1, 2200):
        series.end_tick(tick * 10.0, tick * 10.0 + 10, complete=True)
    assert len(series) == 0
    assert series.number("c") >= 0


def test_windows_outlive_a_restart() -> None:
    """An objective that was not watched for half of the time would be told half as bad; other rules begin anew."""
    texts = ("99.9% of connects ok over 30d", "failed > 5% for 10m", "failed > 5%")
    bed = Bed(*texts, tick_s=60)
    for minute in range(90):
        bed.tick(connects([(1, 3, 985, 15 + 300 * (minute > 85))]))
    again = Bed(texts[0], texts[1], "failed > 6%", tick_s=60)
    again.rules.adopt(bed.rules.encode())
    again.now = bed.now
    for _ in range(12):
        batch = connects([(1, 3, 700, 300), (1, 2, 9, 0)])
        told, wanted = figures(again.tick(batch)), figures(bed.tick(batch))
        since, before = (each.pop("rule/r2/shop/cart") for each in (told, wanted))
        assert told == wanted
    assert list(told) == ["rule/r0/shop/cart", "rule/r1/shop/cart"]
    assert (since[0], before[0]) == (BEGIN + 90 * 60, BEGIN + 86 * 60)


def figures(broken: list[Broken]) -> dict[str, tuple[float, ...]]:
    """What is said of each."""
    return {each.key: (each.since, each.share, each.normal, each.bad, each.total) for each in broken}


@pytest.mark.parametrize("data", [b"", b"nothing", Rules(()).encode()])
def test_what_cannot_be_read_is_said(data: bytes) -> None:
    with pytest.raises(ValueError, match="is damaged"):
        Rules([alert_rule("r", "failed > 1%", "error", 1)]).adopt(data)
