"""The contract of alert targets: what a class behind the entry point group ``tailrace.alerts`` provides."""

from abc import abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

from model.alert import Alert
from model.errors import TailraceError
from model.settings import PluginConfig


class AlertError(TailraceError):
    """A target did not take an alert.

    :param retryable: whether the same alert may be sent again; if not, it is a dead letter.
    :param pause: seconds at least before it is sent again, where the target asked for some.
    """

    def __init__(self, what: str, remedy: str = "", *, retryable: bool = False, pause: float = 0.0) -> None:
        super().__init__(what, remedy)
        self.retryable = retryable
        self.pause = pause


@runtime_checkable
class AlertTarget(Protocol):
    """Tells somebody of incidents: one alert at a time, in the order of an incident's revisions.

    All methods run in one event loop. The constructor takes a ``Config`` and does no I/O. An alert may come twice,
    with the same ``id``, if Tailrace was killed between sending it and keeping that it was sent; states that were
    overtaken while the target was away never come. A target to which that is the same as once has
    ``idempotent: ClassVar[bool] = True``; any other is told what may be the second time with a line that says so.

    A target that forgets what it is not told again has ``repeat_s: ClassVar[float]``: seconds after which an open
    incident is sent again as it is.
    """

    Config: ClassVar[type[PluginConfig]]

    @abstractmethod
    async def open(self) -> None:
        """Get ready.

        :raises UsageError: if a file cannot be read.
        """

    @abstractmethod
    async def send(self, alert: Alert, receipt: str) -> str:
        """Tell it.

        :param receipt: what the last ``send`` of this incident returned; empty for the first.
        :returns: what this target needs to find its message again, such as a message's id; it is kept over restarts.
        :raises AlertError: if it was not taken.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go. Called once, also after a failure."""
