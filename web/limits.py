"""How much may be asked: requests of each address, questions at once, answers that are kept."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from web.refusal import RefusedError

#: Addresses whose rate is known at most; the one longest silent makes room.
_ADDRESSES: Final = 4096
#: Seconds' worth of requests that may come at once.
_BURST_S: Final = 10.0


class Rate:
    """A bucket of tokens for each address (RFC 2697's idea, one rate, one bucket).

    :param clock: seconds, monotonic.
    """

    def __init__(self, per_second: float, clock: Callable[[], float], addresses: int = _ADDRESSES) -> None:
        self._per_second = per_second
        self._clock = clock
        self._most = max(1.0, per_second * _BURST_S)
        self._addresses = addresses
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address -> tokens, when

    def take(self, address: str) -> None:
        """One request.

        :raises RefusedError: if there were too many.
        """
        now = self._clock()
        tokens, at = self._buckets.pop(address, (self._most, now))
        tokens = min(self._most, tokens + (now - at) * self._per_second)
        self._buckets[address] = (max(0.0, tokens - 1), now) if tokens >= 1 else (tokens, now)
        if len(self._buckets) > self._addresses:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait = max(1, math.ceil((1 - tokens) / self._per_second))
            raise RefusedError(
                429,
                "too_many_requests",
                "more requests than web.requests_per_second",
                f"ask again in {wait} s",
                wait,
            )


class AnswerCache:
    """Answers that stay the same, those asked for longest ago make room.

    :param max_bytes: of all.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._held: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0
        #: ``hits``, ``misses``, ``evicted``.
        self.counts: Counter[str] = Counter()

    def get(self, key: Hashable) -> bytes | None:
        """One of them, if it is here."""
        body = self._held.get(key)
        self.counts["misses" if body is None else "hits"] += 1
        if body is not None:
            self._held.move_to_end(key)
        return body

    def put(self, key: Hashable, body: bytes) -> None:
        """Keep one; one that is larger than a quarter of all is not kept."""
        if len(body) > self._max // 4 or key in self._held:
            return
        self._held[key] = body
        self._bytes += len(body)
        while self._bytes > self._max:
            self._bytes -= len(self._held.popitem(last=False)[1])
            self.counts["evicted"] += 1
