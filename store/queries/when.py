"""Words about time -> windows of whole seconds."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from model.errors import UsageError
from model.filter.quantities import duration_ns, moment
from store.queries.answers import Period
from store.queries.errors import NotFoundError
from store.queries.parameters import Times
from store.reading import NS, Bounds, Store, Window

#: Windows of whole steps of this many seconds have the same answer after every rollup.
COARSEST_S: Final = 60
#: After so many seconds no late one is expected any more.
SETTLED_S: Final = 120
#: The longest window.
LONGEST_S: Final = 400 * 86400

_RELATIVE: Final = re.compile(r"now|\d\d?:\d\d(:\d\d)?|\d+(\.\d+)?[A-Za-zµ]+")


@dataclass(frozen=True)
class When:
    """The windows of a question.

    :param against: what it is compared with, if anything.
    :param settled: the answer is the same whenever it is asked for: times are absolute, everything has come, and
        windows are of whole minutes.
    :param oldest_s: the first second that the store has.
    """

    window: Window
    against: Window | None
    complete: bool
    settled: bool
    oldest_s: int = 0

    def known_seconds(self, window: Window) -> int:
        """Of a window those that the store reaches back to; at least 1."""
        return max(1, window.to_s - max(window.from_s, self.oldest_s))

    def second(self, at_s: int) -> int:
        """A second as an answer that must stay the same has it: of its minute the first."""
        return at_s - at_s % COARSEST_S if self.settled else at_s

    def period(self, window: Window, step_s: int) -> Period:
        """As answers have it."""
        step_s = COARSEST_S if self.settled else step_s
        return Period(window.from_s, window.to_s, step_s, self.complete)


def resolved(asked: Times, store: Store, now: float) -> When:
    """The windows that are meant.

    :param now: seconds since the epoch.
    :raises UsageError: if a time is none, or the window is empty.
    :raises NotFoundError: if nothing is known of the time that it is compared with.
    """
    bounds = store.bounds()
    against_deploy = _deploy(asked.against, store)
    window = _window(asked, bounds, now, against_deploy)
    if against_deploy is not None:
        against: Window | None = Window(against_deploy - window.seconds, against_deploy)
    else:
        against = _against(asked.against, window, now)
    if against is not None:
        _check_known(against, store, bounds)
    windows = [window] if against is None else [window, against]
    complete = all(each.to_s <= bounds.complete_s for each in windows)
    whole = all(edge % COARSEST_S == 0 for each in windows for edge in each)
    settled = (
        whole and _absolute(asked) and max(each.to_s for each in windows) + SETTLED_S <= bounds.complete_s
    )
    return When(window, against, complete, settled, bounds.oldest_s)


def _check_known(against: Window, store: Store, bounds: Bounds) -> None:
    """What is not known is not zero: compared with it, everything would be new.

    :raises NotFoundError: if all of the window lies before the store begins, in its gaps, or ahead.
    """
    what = "nothing is kept of the time to compare with"
    if against.to_s <= bounds.oldest_s:
        raise NotFoundError(what, f"the store begins at {_written(bounds.oldest_s)}")
    if against.from_s >= bounds.complete_s:
        raise NotFoundError(what, f"the store ends at {_written(bounds.complete_s)}")
    silent = [gap for gap in store.gaps(against) if gap.is_silence and not gap.node]
    if sum(gap.to_s - gap.from_s for gap in silent) >= against.seconds:
        raise NotFoundError(what, "the store was not running then: choose another time")


def step_of(store: Store, window: Window) -> int:
    """The step in which the store keeps the oldest second of a window."""
    bounds = store.bounds()
    first = max(window.from_s, bounds.oldest_s)
    fine = (step for step, oldest in bounds.steps.items() if oldest <= first)
    return min(fine, default=max(bounds.steps, default=1))


def _window(asked: Times, bounds: Bounds, now: float, deploy: int | None) -> Window:
    if asked.at and (asked.from_time or asked.to):
        raise UsageError("at and from or to are two ways to say it", "leave out one of them")
    length = _seconds(asked.window)
    if asked.from_time or asked.to:
        to_s = int(time_of("to", asked.to, now)) if asked.to else int(min(now, bounds.complete_s or now))
        from_s = int(time_of("from", asked.from_time, now)) if asked.from_time else to_s - length
    elif asked.at:
        to_s = int(time_of("at", asked.at, now))
        from_s = to_s - length
    elif deploy is not None:
        from_s, to_s = deploy, deploy + length
    else:
        to_s = bounds.complete_s or int(now)
        from_s = to_s - length
    if not 0 < to_s - from_s <= LONGEST_S:
        raise UsageError(f"a window of {to_s - from_s} s", "let it end after it begins, within 400 days")
    return Window(from_s, to_s)


def _against(text: str, window: Window, now: float) -> Window | None:
    if not text:
        return None
    if text.startswith("-"):
        back = _seconds(text[1:])
        return Window(window.from_s - back, window.to_s - back)
    begin, slash, end = text.partition("/")
    if slash:
        from_s, to_s = int(time_of("against", begin, now)), int(time_of("against", end, now))
        if not 0 < to_s - from_s <= LONGEST_S:
            raise UsageError("against ends before it begins", "write FROM/TO")
        return Window(from_s, to_s)
    to_s = int(time_of("against", text, now))
    return Window(to_s - window.seconds, to_s)


def _deploy(text: str, store: Store) -> int | None:
    """When the workload of ``deploy:v17`` was first seen."""
    if not text.startswith("deploy:"):
        return None
    number = text.removeprefix("deploy:").removeprefix("v")
    known = store.workloads()
    place = int(np.searchsorted(known.ids, int(number))) if number.isdecimal() else len(known)
    if place >= len(known) or int(known.ids[place]) != int(number):
        raise NotFoundError(f"there is no {text}", "take an id of `tailrace moments`")
    return int(known.first_s[place])


def _written(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    try:
        length = int(duration_ns(text) // NS)
    except ValueError as error:
        raise UsageError(str(error), "write 5m, 30s or 1h") from None
    if not 0 < length <= LONGEST_S:
        raise UsageError(f"{text} is no length of a window", "write 5m, 30s or 1h")
    return length


def time_of(name: str, text: str, now: float) -> float:
    """Seconds since the epoch.

    :param name: of the parameter, for the error.
    :raises UsageError: if it is none.
    """
    try:
        at = moment(text, now)
    except ValueError as error:
        what, _, remedy = str(error).partition(": ")
        raise UsageError(f"{name}: {what}", remedy) from None
    if not 0 <= at < 1 << 40:
        raise UsageError(f"{name}: {text} is out of the range of times", "write 2026-11-29T14:05:00Z")
    return at


def _absolute(asked: Times) -> bool:
    """Whether the question means the same tomorrow."""
    if not (asked.at or (asked.from_time and asked.to) or asked.against.startswith("deploy:")):
        return False
    against = [] if asked.against.startswith(("-", "deploy:")) else asked.against.split("/")
    return not any(
        _RELATIVE.fullmatch(text) for text in (asked.at, asked.from_time, asked.to, *against) if text
    )
