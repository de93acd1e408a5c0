"""Which ids are new."""

import numpy as np


class Once:
    """Ids that were named already."""

    def __init__(self) -> None:
        self._known = np.zeros(0, np.int64)

    def new(self, ids: np.ndarray) -> np.ndarray:
        """A place for each different id that was not asked for before; int64."""
        if len(self._known):
            places = np.minimum(np.searchsorted(self._known, ids), len(self._known) - 1)
            unknown = np.flatnonzero(self._known[places] != ids)
        else:
            unknown = np.arange(len(ids))
        if not len(unknown):
            return unknown
        different, first = np.unique(ids[unknown], return_index=True)
        self._known = np.union1d(self._known, different)
        return unknown[first]
