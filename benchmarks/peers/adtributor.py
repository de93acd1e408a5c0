"""Adtributor (Bhagwan and others, NSDI 2014): values of one attribute that surprise and explain."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from actors.explain.leaves import Leaves

#: As the paper has them: what a value explains at least, and what those of an attribute explain together.
LEAST_OF_VALUE: Final = 0.1
TOGETHER: Final = 0.67


def adtributor(leaves: Leaves) -> tuple[str, set[str]]:
    """The attribute and its values that are told first; no name if nothing explains enough."""
    found = [_of_attribute(leaves, place) for place in range(len(leaves.names))]
    told = [(surprise, leaves.names[at], values) for at, (surprise, values) in enumerate(found) if values]
    if not told:
        return "", set()
    _, name, values = max(told, key=lambda each: each[0])
    return name, values


def _of_attribute(leaves: Leaves, place: int) -> tuple[float, set[str]]:
    names: Sequence[str] = leaves.values[place]
    seen, forecast = (
        np.bincount(leaves.codes[:, place], column, len(names)) for column in (leaves.bad, leaves.expected)
    )
    explains = (seen - forecast) / max(seen.sum() - forecast.sum(), 1e-9)
    surprise = _surprise(forecast / max(forecast.sum(), 1e-9), seen / max(seen.sum(), 1e-9))
    values: set[str] = set()
    together = total = 0.0
    for value in np.argsort(-surprise, kind="stable").tolist():
        if explains[value] > LEAST_OF_VALUE:
            values.add(names[value])
            together += explains[value]
            total += surprise[value]
        if together > TOGETHER:
            return float(total), values
    return 0.0, set()


def _surprise(prior: np.ndarray, posterior: np.ndarray) -> np.ndarray:
    """The part of each value in the Jensen-Shannon divergence."""
    middle = np.maximum(prior + posterior, 1e-300)
    parts = [each * np.log(np.maximum(2 * each / middle, 1e-300)) for each in (prior, posterior)]
    return np.asarray(0.5 * (parts[0] + parts[1]))
