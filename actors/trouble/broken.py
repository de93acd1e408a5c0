"""Rules of the user that are broken, as troubles beside those of the detector."""

import numpy as np

from actors.explain.causes import Explanation
from actors.incidents.items import Trouble
from actors.rules.rules import Broken


def rule_trouble(broken: Broken, edges: frozenset[str], explanation: Explanation | None) -> Trouble:
    """What incidents take.

    :param edges: names of those whose traffic is bad.
    """
    return Trouble(
        broken.key,
        broken.subject,
        broken.rule.ratio.symptom,
        broken.since,
        broken.share,
        broken.normal,
        broken.bad,
        broken.total,
        edges,
        explanation.causes[0].where if explanation else {},
        broken.severity,
        rule=broken.rule.name,
        says=broken.says,
    )


def beside(counts: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """Counts of symptoms and of rules as one: bad ones of both, then all of both."""
    symptoms, more = counts.shape[1] // 2, rules.shape[1] // 2
    parts = [counts[:, :symptoms], rules[:, :more], counts[:, symptoms:], rules[:, more:]]
    return np.concatenate(parts, axis=1) if more else counts
