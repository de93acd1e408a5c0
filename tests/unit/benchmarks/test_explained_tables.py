"""Tables with right answers: the answers are in the counts, and explaining finds them."""

import numpy as np
import pytest

from actors.explain.causes import explain
from benchmarks.explained_tables import NOISE, Score, inside, labelled, labels, missing, ripple


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_causes_of_forecast_amounts_are_found(layer: int) -> None:
    case = ripple(900 + layer, layer, 2, NOISE[1])
    rows = [inside(case.codes, place) for place in case.truth]
    shares = [1 - case.real[each].sum() / case.forecast[each].sum() for each in rows]
    assert not (rows[0] & rows[1]).any()
    assert shares[0] == pytest.approx(shares[1], abs=0.1)
    assert 1 - case.real[~rows[0] & ~rows[1]].sum() / case.forecast[~rows[0] & ~rows[1]].sum() < 0.05
    score = Score()
    score.add([cause.where for cause in explain(missing(case), 3).causes], case.truth)
    assert score.f1 == 100


def test_causes_of_sparse_leaves_with_labels_are_found() -> None:
    case = labels(901, (1, 2))
    assert np.count_nonzero(case.forecast) == len(case.codes)
    score = Score()
    score.add([cause.where for cause in explain(labelled(case), 3).causes], case.truth)
    assert score.f1 == 100


def test_f1_counts_what_is_wrong_and_what_is_missed() -> None:
    score = Score()
    score.add([{"a0": "1"}, {"a0": "2"}], [{0: 1}, {1: 3}])
    assert score.f1 == 50
