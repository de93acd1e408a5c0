"""What goes on from the watch: looks at everything, and state to be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.explain.causes import Explanation
from actors.incidents.items import EdgeEvent, Tick


@dataclass(frozen=True)
class Look:
    """Everything as it was at the end of a tick.

    :param explanations: by the key of the trouble; without those that nothing explains.
    :param nodes: whose data came whole, and all that there are; 0: nobody counted.
    :param events: what happened to edges beside.
    """

    tick: Tick
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    nodes: tuple[int, int] = (0, 0)
    events: tuple[EdgeEvent, ...] = ()

    def __len__(self) -> int:
        return len(self.tick.troubles)


@dataclass(frozen=True)
class Remembered:
    """State of the detector, to be kept for a restart.

    :param whole: whether it is all; else that of edges which were ill since the last one that was.
    :param rules: state of the user's rules, with what is whole; empty: there are none.
    :param habits: how fast pairs usually are (``actors.detect.habits``), likewise.
    """

    data: bytes
    whole: bool
    rules: bytes = b""
    habits: bytes = b""

    def __len__(self) -> int:
        return 0
