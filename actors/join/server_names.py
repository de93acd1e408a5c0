"""Names by which clients know servers, as ids; where there are too many under one name, they go by that. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from model.arrays import Columns
from model.dictionary import Dictionary
from model.handshake import Handshake
from model.kinds.delta import NameEvidence

#: Different names right below one name that are told apart; later ones are called ``*.NAME``.
BELOW: Final = 256
#: Names whose names below are counted; past it new names are called by their last two labels.
PARENTS: Final = 8192

#: What a client's hello may say that is a name; proxies of meshes write more into it (``outbound_.80_._.shop``).
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


class ServerNames:
    """What the joiner calls names by.

    :param below: different names right below one name.
    :param parents: for which that is counted.
    """

    def __init__(self, below: int = BELOW, parents: int = PARENTS) -> None:
        self.known = Dictionary("")
        self._below, self._most_parents = below, parents
        self._parents: dict[str, int] = {}  # how many names below it have got ids

    def ids(self, names: Iterable[str]) -> np.ndarray:
        """The ids of names, folded where there are too many; uint32."""
        return self.known.ids(map(self._folded, names))

    def release(self, in_use: np.ndarray) -> None:
        """Gives up all ids but those ``in_use``, and counts names anew."""
        self.known.release(in_use)
        self._parents.clear()

    def name_by_tls(self, columns: Columns, handshakes: Callable[[list[int]], list[Handshake]]) -> None:
        """Names servers of which the name is not known, or ambiguous, as their clients' hellos do.

        :param columns: ``server.name.*`` and ``tls.index``, with ids of the joiner.
        """
        unsure = columns["server.name.evidence"] == NameEvidence.NONE
        unsure |= columns["server.name.ambiguous"] != 0
        rows = np.flatnonzero(unsure & (columns["tls.index"] != 0))
        if not len(rows):
            return
        different, same = np.unique(columns["tls.index"][rows], return_inverse=True)
        names = (_host(each.server_name) for each in handshakes(different.tolist()))
        ids = self.ids(names)[same]
        rows, ids = rows[ids != 0], ids[ids != 0]
        said = {"index": ids, "evidence": NameEvidence.TLS, "ambiguous": 0}
        for part, value in said.items():
            column = columns[f"server.name.{part}"].copy()
            column[rows] = value
            columns[f"server.name.{part}"] = column

    def _folded(self, name: str) -> str:
        """The name, or ``*.`` and what it is below; of those that are known the name."""
        _, dot, parent = name.partition(".")
        if name in self.known or "." not in parent:
            return name
        if parent not in self._parents and len(self._parents) >= self._most_parents:
            return f"*.{'.'.join(parent.rsplit('.', 2)[-2:])}"
        below = self._parents.get(parent, 0)
        if below >= self._below:
            return f"*{dot}{parent}"
        self._parents[parent] = below + 1
        return name


def _host(server_name: str) -> str:
    name = server_name.lower().rstrip(".")
    return name if _HOST.fullmatch(name) else ""
