"""Texts of names that queries of DNS had, by their hash. Pure."""

from typing import Final

import numpy as np

from probes.kernel.layout import enums

#: Names known at once; the probe does not tell of more.
NAMES: Final = 1 << 17
#: Names at once of which a part is missing: the others of a name come right behind.
UNFINISHED: Final = 1024
#: Stand for no name of their own.
_TEXTLESS: Final = frozenset({0, *enums("dns")["dns_name"].values()})


class DnsNames:
    """What hashes of names stand for.

    :param limit: names at once; past it no more are learnt, counted in ``refused``.
    :ivar refused: names that found no room, so far.
    """

    def __init__(self, limit: int = NAMES) -> None:
        self._limit = limit
        self._texts: dict[int, str] = {}
        self._parts: dict[int, dict[int, str]] = {}  # of names of which some are missing
        self.refused = 0

    def learn(self, events: np.ndarray) -> None:
        """Takes names in: ``struct dns_name_event``, one for each part of a name."""
        for event in events:
            key, parts = int(event["name"]), int(event["parts"])
            text = event["text"][: int(event["length"])].decode("ascii", "replace")
            if parts > 1:
                if len(self._parts) >= UNFINISHED:
                    self._parts.clear()
                known = self._parts.setdefault(key, {})
                known[int(event["part"])] = text
                if len(known) < parts:
                    continue
                del self._parts[key]
                text = "".join(known.get(part, "") for part in range(parts))
            if len(self._texts) < self._limit or key in self._texts:
                self._texts[key] = text
            else:
                self.refused += 1

    def get(self, key: int) -> str | None:
        """The text of a hash; None if it was not told, empty if it stands for no name of its own."""
        return "" if key in _TEXTLESS else self._texts.get(key)
