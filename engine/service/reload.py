"""SIGHUP: the configuration is read again, and taken over as far as a running role can."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from engine.config import Config
from engine.graph import Apply, Prepare
from engine.secrets import guarded
from engine.service.notify import ServiceManager
from model.errors import TailraceError

#: Paths of keys that roles can take over while they run; all others need a restart.
RELOADED: Final = frozenset(
    {
        "stage",
        "sinks",
        "names",
        "log_level",
        "alerts.targets",
        "alerts.routes",
        "alerts.rules",
        "trouble.silences",
    }
)
#: Those of a role that looks for trouble.
OF_TROUBLE: Final = frozenset(path for path in RELOADED if path.startswith(("alerts.", "trouble.")))

log = logging.getLogger(__name__)


class Reload:
    """Reads the configuration again, one reading after another.

    :param config: what the role runs with.
    :param read: reads and checks it.
    :param parts: what can take over a configuration; applied in the order given.
    :param paths: of the keys that they take over.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        parts: Sequence[Prepare],
        paths: frozenset[str] = RELOADED,
    ) -> None:
        self._config = config
        self._read = read
        self._parts = parts
        self._paths = paths
        self._task: asyncio.Task[None] | None = None

    def ask(self, manager: ServiceManager) -> None:
        """Begins a reading; for a signal handler. One that is under way is done first."""
        self._task = asyncio.create_task(self._after(self._task, manager), name="reload")

    async def _after(self, before: "asyncio.Task[None] | None", manager: ServiceManager) -> None:
        if before is not None:
            await asyncio.wait({before})
        manager.reloading()
        manager.ready(await self.run())

    async def run(self) -> str:
        """Reads, takes over and logs; what was done, on one line. What cannot be taken over leaves all as it was."""
        try:
            config = self._read()
            for apply in [prepare(config) for prepare in self._parts]:
                await apply()
        except TailraceError as error:
            said = f"the configuration stays as it was: {guarded(str(error))}"
            log.error("%s", said)  # noqa: TRY400 - the sentence says all
            return said
        changed = list(changes(self._config, config))
        self._config = _taken(self._config, config, self._paths)
        return _say(changed, self._paths)


def reloaded_log_level(config: Config) -> Apply:
    """``log_level``."""

    async def apply() -> None:
        logging.getLogger().setLevel(config.log_level.upper())

    return apply


def _taken(old: Config, new: Config, reloaded: frozenset[str]) -> Config:
    """The old one with those keys of the new one that are taken over."""
    paths = [path.split(".") for path in sorted(reloaded)]
    for section, key in (path for path in paths if len(path) > 1):
        part = msgspec.structs.replace(getattr(old, section), **{key: getattr(getattr(new, section), key)})
        old = msgspec.structs.replace(old, **{section: part})
    return msgspec.structs.replace(
        old, **{path[0]: getattr(new, path[0]) for path in paths if len(path) == 1}
    )


def _say(changed: list[str], reloaded: frozenset[str]) -> str:
    """Logs what a reload did."""
    taken = [path for path in changed if path in reloaded]
    left = [path for path in changed if path not in taken]
    said = f"the configuration was read again: {', '.join(taken) or 'nothing'} changed"
    if left:
        said += f"; {', '.join(left)}: restart Tailrace for it"
    log.log(logging.WARNING if left else logging.INFO, "%s", said)
    return said


def changes(old: Any, new: Any, above: str = "") -> Iterator[str]:
    """The paths of keys that differ, such as ``tcp.slots``; lists and mappings as a whole."""
    for field in msgspec.structs.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        path = above + field.encode_name
        if isinstance(before, msgspec.Struct):
            yield from changes(before, after, f"{path}.")
        elif before != after:
            yield path
