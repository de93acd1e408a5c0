"""The file that keeps what was learnt of routes, so that they have the same names after a restart."""

import asyncio
import logging
from pathlib import Path

import msgspec

from actors.join.route_tree import Folded
from actors.join.routes import Learnt

log = logging.getLogger(__name__)


class _Format(msgspec.Struct):
    """Places where words were too many, by the name of the service."""

    services: dict[str, list[Folded]] = {}
    version: int = 1


class LearntRoutes:
    """Reads the file once, and writes it anew when there is more.

    :param path: of the file; its folder is made if need be.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._unsaved: Learnt | None = None
        self._changed = asyncio.Event()

    def read(self) -> Learnt:
        """What was kept; nothing if there is no file, or one that cannot be read, which a warning says."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Format).services
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("routes are learnt anew: %s: %s; remove the file if this stays", self._path, error)
            return {}

    def keep(self, learnt: Learnt) -> None:
        """Has it written soon."""
        self._unsaved = learnt
        self._changed.set()

    async def run(self) -> None:
        """Writes what there is to be written, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.save()

    async def save(self) -> None:
        """Writes what is not written yet; a failure is a warning, and the next change tries again."""
        learnt, self._unsaved = self._unsaved, None
        if learnt is not None:
            try:
                await asyncio.to_thread(self._write, learnt)
            except OSError as error:
                log.warning("what was learnt of routes is not kept: %s: %s", self._path, error.strerror)

    def _write(self, learnt: Learnt) -> None:
        """Either the old file is there or the new one, whatever happens."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(_Format({name: [*folded] for name, folded in learnt.items()})))
        new.replace(self._path)
