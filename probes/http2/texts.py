"""Texts of paths and hosts that are told to the node, each once, by their hash."""

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from probes.kernel.layout import enums, structs

PATH_EVENT: Final = structs("http")["path_event"]
_PATHS: Final = enums("http")["http_path"]
_KINDS: Final = enums("http")["http_event"]
_NO_SLOT: Final = 0xFFFFFFFF


class ToldTexts:
    """Which were told; what is beyond the limit is ``PATH_OTHER``.

    :param most: of them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._told: dict[int, int] = {}
        self._events: list[np.ndarray] = []
        self.beyond = 0

    def known(self, hashes: np.ndarray, text: Callable[[int], bytes]) -> np.ndarray:
        """The hashes by which texts are known to the node; new ones are told.

        :param text: gives that of one of them, by its place.
        """
        unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        names = [self._name(key, int(place), text) for key, place in zip(unique.tolist(), first, strict=True)]
        return np.array(names, np.uint64)[inverse]

    def _name(self, key: int, place: int, text: Callable[[int], bytes]) -> int:
        if not key or key in self._told:
            return key
        if len(self._told) >= self._most:
            self.beyond += 1
            return _PATHS["PATH_OTHER"]
        self._told[key] = key
        self._events.append(_event(key, text(place)))
        return key

    def events(self) -> np.ndarray:
        """Those to be told: ``struct path_event``; shape (n,)."""
        events, self._events = self._events, []
        return np.concatenate(events) if events else np.zeros(0, PATH_EVENT)


def _event(key: int, text: bytes) -> np.ndarray:
    event = np.zeros(1, PATH_EVENT)
    event["header"]["at_ns"], event["header"]["slot"] = time.monotonic_ns(), _NO_SLOT
    event["header"]["kind"] = _KINDS["KIND_PATH"]
    event["hash"], event["text"], event["length"] = key, text, len(text)
    return event
