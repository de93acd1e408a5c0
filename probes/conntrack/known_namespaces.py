"""The network namespaces known so far: how each is reached, and under which number the kernel speaks of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from model.ledger import Stage
from probes.conntrack.namespace_finder import NamespaceFinder
from probes.conntrack.namespace_numbers import NamespaceNumbers, overrun
from probes.kernel.namespaces import OWN, inode_of, inside

#: Namespaces that were looked for in vain are remembered, so that they are not again; so many at most.
SOUGHT = 4096

Result = TypeVar("Result")


class KnownNamespaces:
    """Grows with ``look``, shrinks with ``changes`` and ``forget``.

    :param stage: where it is noted which namespaces cannot be reached.
    :raises OSError: if rtnetlink cannot be had.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._numbers = NamespaceNumbers()
        self._finder = NamespaceFinder()
        self._own = inode_of(OWN)
        self._paths: dict[int, Path] = {}
        self._inodes: dict[int, int] = {-1: self._own}  # by number; -1: the socket's own
        self._refused: set[int] = set()  # without the right to give it a number
        self._sought: set[int] = set()  # seen somewhere, found nowhere
        self._fully = False

    @property
    def reachable(self) -> set[int]:
        """Inodes of namespaces whose messages can be told."""
        return set(self._inodes.values())

    @property
    def unreachable(self) -> set[int]:
        """Inodes of namespaces that are known to be there, and of which no message can be told."""
        return self._refused & self._paths.keys()

    @property
    def own(self) -> int:
        """The inode of the namespace that this process is in."""
        return self._own

    def seek(self, inodes: set[int]) -> None:
        """The next look is a full one if it may find some of these: not known, and not sought before."""
        strange = inodes - self._paths.keys() - self._sought - self.reachable
        self._sought = strange if len(self._sought) > SOUGHT else self._sought | strange
        self._fully |= bool(strange)

    def look(self, now_ns: int) -> None:
        """Finds new namespaces and gives them numbers."""
        found = self._finder.look(now_ns, fully=self._fully)
        self._fully = False
        self._give_number(self._own, OWN)  # it has one only if somebody gave it one
        reachable = self.reachable
        for inode, path in found.items():
            self._paths[inode] = path
            if inode not in reachable and inode not in self._refused:
                self._give_number(inode, path)

    def _give_number(self, inode: int, path: Path) -> None:
        try:
            number = self._numbers.number(path, inode)
        except FileNotFoundError:  # the process by which it was found is gone; there may be others
            self._fully = True
            return
        except OSError:
            self._refused.add(inode)
            self._stage.note("unreachable")
            return
        if number is not None:
            self._inodes[number] = inode

    def changes(self) -> tuple[set[int], bool]:
        """Inodes of namespaces that are gone since the last call, and whether there are new ones."""
        try:
            numbers, new = self._numbers.changes()
        except OSError as error:
            if not overrun(error):
                raise
            # Any may be gone, and its number another's: all are learnt anew.
            self._stage.note("overruns")
            self._fully = True
            return self.reachable - {self._own}, True
        return {self._inodes[number] for number in numbers if number in self._inodes}, new

    def forget(self, inodes: set[int]) -> None:
        """These are gone; an inode may be another namespace's from now on."""
        self._inodes = {number: inode for number, inode in self._inodes.items() if inode not in inodes}
        for inode in inodes:
            self._paths.pop(inode, None)
        self._sought -= inodes

    def inodes(self, numbers: np.ndarray) -> np.ndarray:
        """The inodes for the kernel's numbers; 0 for a number that is not known; shape (n,), uint32."""
        known, places = np.unique(numbers, return_inverse=True)
        return np.array([self._inodes.get(number, 0) for number in known.tolist()], np.uint32)[places]

    def inside(self, inode: int, action: Callable[[], Result]) -> Result:
        """What ``action`` returns in the namespace; the own one need not be entered, which asks for a right.

        :raises OSError: if the namespace is gone, or may not be entered; what ``action`` raises.
        """
        if inode == self._own:
            return action()
        try:
            return inside(self._paths.get(inode, OWN), action, inode)
        except FileNotFoundError:  # the process by which it was found is gone; there may be others
            self._paths |= self._finder.look(0, fully=True)
            return inside(self._paths.get(inode, OWN), action, inode)

    def close(self) -> None:
        """Closes its sockets."""
        self._numbers.close()
