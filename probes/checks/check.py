"""One line of `tailrace doctor`: what was looked for and found, what its lack costs and how to fix it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "degraded", "not needed"]


@dataclass(frozen=True)
class Check:
    """What one look at the machine showed.

    :param detail: what was found, or that nothing was.
    :param cost: what does not work, or works less well; empty when all is well.
    :param remedy: what the user does next.
    :param required: without it the main job, to report open and closing connections, cannot run.
    """

    name: str
    status: Status
    detail: str
    cost: str = ""
    remedy: str = ""
    required: bool = False

    @property
    def fatal(self) -> bool:
        """Whether the main job cannot run."""
        return self.required and self.status == "missing"
