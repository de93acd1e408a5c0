"""How long is waited: for answers, for signs of life, and between attempts."""

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Pace:
    """Seconds.

    :param answer: for the beginning of an answer, and for more of a page.
    :param watch: after which the server is asked to end a watch; up to twice that, so that not all end at once.
    :param silence: of a watch after which it counts as dead. Servers send a bookmark about every minute
        (kubernetes: ``defaultBookmarkFrequency``); one that does not is asked again a little more often.
    :param first_pause: after a failure, doubled with each that follows.
    :param longest_pause: at most, unless the server asks for more.
    :param page: objects that are asked for at once.
    """

    answer: float = 30.0
    watch: float = 300.0
    silence: float = 90.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    page: int = 250


DEFAULT: Final = Pace()


class Pauses:
    """Exponential pauses; jitter spreads the agents of a cluster whose server comes back."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failures = 0

    @property
    def failed(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def next(self, wait: float = 0.0) -> float:
        """Seconds until the next attempt.

        :param wait: what the server asked for: never less than that.
        """
        longest: float = min(self._pace.first_pause * 2**self._failures, self._pace.longest_pause)
        self._failures = min(self._failures + 1, 32)
        return wait + longest * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """An attempt succeeded."""
        self._failures = 0
