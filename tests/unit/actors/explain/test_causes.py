"""Causes are what was put in: known faults in counts that are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from actors.explain.causes import Explanation, explain
from actors.explain.leaves import (
    Either,
    Leaves,
    dispersion_of,
    doubt_of_rate,
    expected_by_rate,
    expected_of_rate,
    healthy_rate,
)

NORMAL = 0.002
NAMES = ("version", "pod", "node", "zone", "port")
#: A pod has one version, node and zone.
PODS = 12
VERSION_OF, NODE_OF = np.arange(PODS) % 3, np.arange(PODS) % 5
ZONE_OF = NODE_OF % 2

Fault = tuple[Mapping[str, int], float]


class Fleet:
    """Counts of a fleet with faults, of a seed."""

    def __init__(self, seed: int, faults: Sequence[Fault], rows: int = 3000) -> None:
        random = np.random.default_rng(seed)
        pod = random.integers(0, PODS, rows)
        self.codes = np.stack(
            [VERSION_OF[pod], pod, NODE_OF[pod], ZONE_OF[pod], random.integers(0, 3, rows)], axis=1
        )
        self.total = random.poisson(12, rows).astype(float)
        rate = np.full(rows, NORMAL)
        for where, ill in faults:
            inside = np.all(
                [self.codes[:, NAMES.index(name)] == code for name, code in where.items()], axis=0
            )
            rate[inside] = ill
        self.bad = random.binomial(self.total.astype(int), rate).astype(float)
        self.before = random.binomial(30, NORMAL, rows).astype(float)

    def leaves(self, *, expected: bool = True) -> Leaves:
        """With what was normal before, or without."""
        if expected:
            normal = expected_by_rate(self.total, self.before, np.full(len(self.total), 30.0))
        else:
            normal = expected_of_rate(self.total, healthy_rate(self.codes, self.bad, self.total))
        values = [
            [f"{name} {code}" for code in range(int(column.max()) + 1)] for name, column in self.columns()
        ]
        dispersion = dispersion_of(self.bad, self.total, normal)
        return Leaves(NAMES, values, self.codes, self.bad, self.total, normal, dispersion)

    def columns(self) -> list[tuple[str, np.ndarray]]:
        return list(zip(NAMES, self.codes.T, strict=True))


def _words(where: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{name} {code}" for name, code in where.items()}


def _where(explanation: Explanation) -> list[dict[str, str]]:
    return [cause.where for cause in explanation.causes]


@pytest.mark.parametrize("expected", [True, False], ids=["with another time", "alone"])
@pytest.mark.parametrize(
    "where",
    [
        {"version": 1},
        {"pod": 7},
        {"node": 3},
        {"zone": 1},
        {"port": 2},
        {"version": 2, "port": 0},
        {"zone": 0, "port": 1},
    ],
    ids=str,
)
def test_a_fault_is_named(where: Mapping[str, int], expected: bool) -> None:
    found = explain(Fleet(3, [(where, 0.3)]).leaves(expected=expected))
    assert _where(found) == [_words(where)]
    assert found.causes[0].explains > 0.9


def test_counts_inside_and_outside_are_those_of_the_table() -> None:
    fleet = Fleet(5, [({"version": 1}, 0.5)])
    cause = explain(fleet.leaves()).causes[0]
    inside = fleet.codes[:, 0] == 1
    assert (cause.bad, cause.total) == (fleet.bad[inside].sum(), fleet.total[inside].sum())
    assert cause.rate_outside == pytest.approx(fleet.bad[~inside].sum() / fleet.total[~inside].sum())


def test_two_faults_are_two_causes_the_worse_first() -> None:
    faults: list[Fault] = [({"node": 4}, 0.2), ({"version": 0, "port": 1}, 0.9)]
    found = _where(explain(Fleet(8, faults).leaves()))
    assert found == [_words(faults[1][0]), _words(faults[0][0])]


def test_where_all_is_ill_the_cause_is_everything() -> None:
    found = explain(Fleet(2, [({}, 0.2)]).leaves())
    assert _where(found) == [{}]
    assert set(found.no_difference) == set(NAMES)


@pytest.mark.parametrize("expected", [True, False], ids=["with another time", "alone"])
def test_where_nothing_is_ill_there_is_no_cause(expected: bool) -> None:
    for seed in range(20):
        assert not explain(Fleet(seed, []).leaves(expected=expected)).causes, seed


def test_values_of_one_attribute_are_causes_of_their_own_where_others_are_healthy() -> None:
    found = _where(explain(Fleet(4, [({"port": 0}, 0.5), ({"port": 2}, 0.5)]).leaves()))
    assert sorted(words["port"] for words in found) == ["port 0", "port 2"]


def _ill(codes: np.ndarray, *parts: tuple[str, Sequence[int]]) -> np.ndarray:
    """Which leaves have one of these values; codes are those of a version, a pod, a node and a client."""
    names = ("version", "pod", "node", "client")
    inside: np.ndarray = np.any(
        [np.isin(codes[:, names.index(name)], values) for name, values in parts], axis=0
    )
    return inside


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("supposed", [False, True])
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("version", [0])], ["version 0"]),
        ([("node", [0, 1])], ["node 0", "node 1"]),
        ([("node", [2]), ("version", [0])], ["node 2", "version 0"]),
        ([("node", [2]), ("pod", [0, 4, 9])], ["node 2", "pod 0", "pod 4", "pod 9"]),
    ],
)
def test_causes_are_named_where_most_of_the_leaves_are_ill(
    parts: list[tuple[str, Sequence[int]]], expected: list[str], supposed: bool, noise: float
) -> None:
    """Half to three quarters of them; what is expected is wrong by this part, also where all is well."""
    random = np.random.default_rng(11)
    rows = np.arange(120)
    codes = np.stack([rows % 2, rows % 12, rows % 3, rows // 12], axis=1)
    total = random.integers(200, 5000, 120).astype(float)
    rate = np.where(_ill(codes, *parts), 0.4, 0.05 * np.exp(random.normal(0, noise, 120)))
    bad = random.binomial(total.astype(int), rate).astype(float)
    normal = expected_of_rate(total, healthy_rate(codes, bad, total) if supposed else 0.05)
    names = ("version", "pod", "node", "client")
    values = [[f"{name} {code}" for code in range(12)] for name in names]
    told = explain(
        Leaves(names, values, codes, bad, total, normal, dispersion_of(bad, total, normal), supposed), depth=3
    )
    assert sorted(value for cause in told.causes for value in cause.where.values()) == expected


def test_an_outage_of_all_is_everything() -> None:
    """However far it is from what is expected; where nothing is known of another time it is no cause."""
    random = np.random.default_rng(5)
    codes = np.stack([np.arange(60) % 3, np.arange(60) % 12], axis=1)
    total = np.full(60, 1000.0)
    bad = random.binomial(1000, 0.9, 60).astype(float)
    values = [[f"{name} {code}" for code in range(12)] for name in ("zone", "pod")]
    for rate, causes in ((0.01, 1), (healthy_rate(codes, bad, total), 0)):
        normal = expected_of_rate(total, rate)
        spread = dispersion_of(bad, total, normal)
        told = explain(
            Leaves(("zone", "pod"), values, codes, bad, total, normal, spread, supposed=rate > 0.5)
        )
        assert [cause.where for cause in told.causes] == [{}] * causes


def test_one_value_is_told_in_place_of_several_that_say_the_same() -> None:
    """Two pods fail with the very same share: each is the only one of its version on its node, too."""
    codes = np.array([(VERSION_OF[pod], pod, NODE_OF[pod], ZONE_OF[pod], 0) for pod in range(PODS)])
    total = np.full(PODS, 1600.0)
    bad = np.where(np.isin(np.arange(PODS), [1, 7]), 640.0, 0.0)
    values = [
        [f"{name} {code}" for code in range(column.max() + 1)]
        for name, column in zip(NAMES, codes.T, strict=True)
    ]
    leaves = Leaves(
        NAMES, values, codes, bad, total, expected_of_rate(total, 0.0), np.ones(PODS), supposed=True
    )
    told = explain(leaves, depth=3)
    assert sorted(cause.where["pod"] for cause in told.causes) == ["pod 1", "pod 7"]
    assert [len(cause.where) for cause in told.causes] == [1, 1]
    assert any("version" in name and len(name) == 2 for name in told.causes[0].also_known_as)


def test_the_only_pod_of_a_node_is_another_name_of_it() -> None:
    fleet = Fleet(6, [])
    fleet.codes[:, 2] = np.where(fleet.codes[:, 1] == 7, 5, fleet.codes[:, 2])  # pod 7 alone on node 5
    ill = fleet.codes[:, 1] == 7
    fleet.bad[ill] = np.floor(fleet.total[ill] * 0.6)
    cause = explain(fleet.leaves()).causes[0]
    names = [cause.where, *cause.also_known_as]
    assert {"pod": "pod 7"} in names
    assert {"node": "node 5"} in names


def test_what_it_is_not_leaves_out_its_names_and_keeps_what_agrees() -> None:
    found = explain(Fleet(9, [({"port": 1}, 0.4)]).leaves())
    assert found.no_difference == ["version", "pod", "node", "zone"]


def test_a_node_at_either_end_is_one_cause() -> None:
    random = np.random.default_rng(1)
    codes = random.integers(0, 6, (4000, 2))
    total = random.poisson(10, 4000).astype(float)
    rate = np.where((codes == 3).any(axis=1), 0.3, NORMAL)
    bad = random.binomial(total.astype(int), rate).astype(float)
    normal = expected_of_rate(total, NORMAL)
    values = [[f"n{code}" for code in range(6)]] * 2
    leaves = Leaves(("client.node", "server.node"), values, codes, bad, total, normal, np.ones(4000))
    assert _where(explain(leaves, either=[Either("node", 0, 1)])) == [{"node": "n3"}]


def test_noise_of_a_forecast_is_no_cause() -> None:
    """Amounts that are forecast within some percent, and one value that is off by half."""
    random = np.random.default_rng(7)
    codes = random.integers(0, 8, (5000, 3))
    total = np.exp(random.normal(6, 1, 5000))
    normal = total * 0.1
    bad = normal * np.exp(random.normal(0, 0.1, 5000))
    values = [[str(code) for code in range(8)]] * 3
    names = ("a", "b", "c")
    assert not explain(
        Leaves(names, values, codes, bad, total, normal, dispersion_of(bad, total, normal))
    ).causes
    bad = np.where(codes[:, 1] == 4, bad * 1.5, bad)
    found = explain(Leaves(names, values, codes, bad, total, normal, dispersion_of(bad, total, normal)))
    assert _where(found) == [{"b": "4"}]


def test_depth_bounds_the_attributes_of_a_cause() -> None:
    where = {"version": 1, "zone": 0, "port": 2}
    leaves = Fleet(11, [(where, 0.8)], rows=9000).leaves()
    assert _where(explain(leaves, depth=3)) == [_words(where)]
    assert all(len(words) <= 2 for words in _where(explain(leaves, depth=2)))


def test_the_order_of_a_table_is_no_evidence() -> None:
    """Sorted, with two values in turn: what is normal is told of the healthy one, wherever its rows stand."""
    codes = np.stack([np.repeat(np.arange(40), 2), np.tile([0, 1], 40)], axis=1)
    bad, total = np.where(codes[:, 1] == 1, 50.0, 1.0), np.full(80, 100.0)
    assert healthy_rate(codes, bad, total) == pytest.approx(0.01, abs=0.01)


def test_a_name_is_as_fine_as_what_is_healthy_beside_it() -> None:
    """A zone's twentieth outside of the version is healthy: the cause is the version in the zone, not the zone."""
    codes = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    total = np.array([95_000.0, 5_000.0, 50_000.0, 50_000.0])
    bad = np.array([47_500.0, 50.0, 500.0, 500.0])
    normal = expected_of_rate(total, 0.01)
    leaves = Leaves(("zone", "version"), [["a", "b"], ["v1", "v2"]], codes, bad, total, normal, np.ones(4))
    assert [cause.where for cause in explain(leaves).causes] == [{"zone": "a", "version": "v1"}]


@pytest.mark.parametrize(("supposed", "told"), [(True, ["a"]), (False, ["a", "b"])])
def test_values_differ_also_where_none_is_ill(supposed: bool, told: list[str]) -> None:
    """3 % beside 40 % is how that zone is, as long as no other time says that it had 1 %."""
    total = np.full(4, 50_000.0)
    bad = total * np.array([0.4, 0.03, 0.01, 0.01])
    normal = expected_of_rate(total, 0.01)
    leaves = Leaves(
        ("zone",), [list("abcd")], np.arange(4)[:, None], bad, total, normal, np.ones(4), supposed=supposed
    )
    assert [cause.where["zone"] for cause in explain(leaves).causes] == told


def test_a_fault_is_named_where_all_else_is_better_than_usual() -> None:
    """More than the fault's were expected to be bad in all."""
    fleet = Fleet(11, [({"version": 1}, 0.3)])
    leaves = fleet.leaves()
    better = np.where(leaves.codes[:, 0] == 1, leaves.expected, leaves.total * 0.3)
    leaves = replace(leaves, expected=better)
    assert leaves.excess.sum() < 0
    cause = explain(leaves).causes[0]
    assert cause.where == {"version": "version 1"}
    assert cause.explains == pytest.approx(1)


@pytest.mark.parametrize("wrong", [1.0, 5.0, 20.0], ids=lambda wrong: f"{wrong:g} times as many")
def test_a_forecast_that_is_wrong_everywhere_hides_no_cause(wrong: float) -> None:
    """What is hardly ill beside a cause is told neither as everything nor as a further cause."""
    fleet = Fleet(12, [({"version": 1}, 0.5)])
    leaves = fleet.leaves()
    more = np.where(leaves.codes[:, 0] == 1, leaves.bad, leaves.bad * wrong)
    leaves = replace(leaves, bad=np.minimum(more, leaves.total))
    assert _where(explain(leaves)) == [{"version": "version 1"}]


def test_everything_is_told_where_all_are_about_as_ill() -> None:
    fleet = Fleet(13, [({}, 0.3), ({"version": 1}, 0.6)])
    assert _where(explain(fleet.leaves())) == [{}]


def test_two_of_four_values_are_two_causes() -> None:
    """Their common name has as much healthy traffic."""
    codes = np.stack([axis.ravel() for axis in np.indices((3, 4, 50))], axis=1)
    ill = (codes[:, 0] == 1) & (codes[:, 1] < 2)
    total = np.full(len(codes), 1000.0)
    bad = np.where(ill, 400.0, 2.0)
    normal = expected_of_rate(total, 0.002)
    values = [[str(value) for value in range(size)] for size in (3, 4, 50)]
    leaves = Leaves(("a", "b", "c"), values, codes, bad, total, normal, np.ones(len(codes)))
    assert _where(explain(leaves)) == [{"a": "1", "b": "0"}, {"a": "1", "b": "1"}]


def test_an_earlier_time_that_was_counted_as_well_leaves_doubt() -> None:
    same, long = doubt_of_rate(np.array([1000.0, 10.0]), np.array([1000.0, 1e6]))
    assert same == pytest.approx(1 + 1000 * 1000 / 1020**2)
    assert long == pytest.approx(1, abs=1e-4)
