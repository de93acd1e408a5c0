"""How much each leaf speaks for being ill, or against it.

The evidence of a leaf is the logarithm of a likelihood ratio: of the rate that the ill have to the one that is
normal for it. That of a group is the sum over its leaves, so that healthy traffic inside speaks against a group.
"""

from typing import Final

import numpy as np

from actors.explain.leaves import LEAST_RATE, MANY_ILL, MOST_RATE, TELLING, Leaves

#: A leaf is ill at this multiple of its own normal rate at least, or with its good ones that much fewer.
_LEAST_RATIO: Final = 2.0


def evidence(leaves: Leaves, ill_rate: float) -> np.ndarray:
    """In nats, signed; shape (n,).

    :param ill_rate: bad of total of what is ill.
    """
    normal = _normal(leaves)
    ill = np.maximum(np.minimum(ill_rate, MOST_RATE), _least_ill(normal))
    good = leaves.total - leaves.bad
    nats = leaves.bad * np.log(ill / normal) + good * np.log((1 - ill) / (1 - normal))
    return np.asarray(nats / leaves.dispersion)


def first_ill_rate(leaves: Leaves) -> float:
    """The rate where the excess is: of each leaf, weighted by its excess."""
    excess = np.maximum(leaves.excess, 0)
    return float(np.average((leaves.bad + 1) / (leaves.total + 4), weights=excess))


def many_are_ill(leaves: Leaves) -> bool:
    """Whether so many leaves are as bad as the ill are at least that all do not tell how the healthy vary."""
    telling = leaves.expected >= TELLING
    ill = leaves.bad >= _least_ill(_normal(leaves)) * leaves.total
    return bool(np.count_nonzero(ill & telling) >= max(MANY_ILL * np.count_nonzero(telling), 1))


def _normal(leaves: Leaves) -> np.ndarray:
    """The rate that is normal for each leaf; shape (n,)."""
    return np.asarray(np.clip(leaves.expected / np.maximum(leaves.total, LEAST_RATE), LEAST_RATE, MOST_RATE))


def _least_ill(normal: np.ndarray) -> np.ndarray:
    """The rate from which on a leaf is ill; shape (n,)."""
    return np.asarray(np.minimum(normal * _LEAST_RATIO, 1 - (1 - normal) / _LEAST_RATIO))
