"""Programs that run in processes: compiled and loaded when the first of these is found, which nobody waits for."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from model.errors import ProbeError
from model.probe import Hook
from probes.kernel.attach import Attached
from probes.kernel.loader import Loaded

log = logging.getLogger(__name__)

_LOST: Final = "plain text of TLS and requests through Envoys are not seen: %s (%s)"


class LaterPrograms:
    """Asked for by the threads that look at processes.

    :param loaded: to which they are added.
    :param load: adds them; may raise ProbeError.
    """

    def __init__(self, loaded: Loaded, load: Callable[[], None]) -> None:
        self._loaded, self._load = loaded, load
        self._lock = threading.Lock()

    def attach(self, hook: Hook) -> Attached:
        """Attaches a hook in a file of processes, until what is returned is closed.

        :raises NotWantedError: if loading is interrupted.
        :raises ProbeError: if the kernel refuses it, or its program could not be had.
        """
        self.load()
        return self._loaded.attach_hook(hook)

    def load(self) -> None:
        """Loads them, if they are not there; what cannot be had has its reason among those of ``Loaded``.

        :raises NotWantedError: if it is interrupted.
        """
        with self._lock:
            if not self._loaded.later:
                return
            try:
                self._load()
            except ProbeError as error:
                log.warning(_LOST, error.what, error.remedy)
                self._loaded.absent |= dict.fromkeys(self._loaded.later, error.what)
            self._loaded.later = frozenset()
