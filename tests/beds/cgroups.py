"""Cgroups of one's own, with the paths that runtimes give them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
#: Of cgroup v1, those that containers always have and that need no preparation.
_CONTROLLERS: Final = ("memory", "pids", "cpu")
#: Joins cgroups, then becomes the program that follows.
_JOIN: Final = 'for procs in {}; do echo $$ >"$procs"; done; exec "$@"'


@contextlib.contextmanager
def cgroup(path: str) -> Iterator[list[str]]:
    """The beginning of a command line that runs in the cgroup, which is gone after the block.

    :param path: its first level is nobody else's.
    """
    places = [root / path for root in _hierarchies()]
    try:
        for place in places:
            place.mkdir(parents=True)
        yield ["sh", "-c", _JOIN.format(" ".join(f"{place}/cgroup.procs" for place in places)), "sh"]
    finally:
        for root, place in zip(_hierarchies(), places, strict=True):
            for level in (place, *place.parents):
                if level == root:
                    break
                with contextlib.suppress(FileNotFoundError):
                    level.rmdir()


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.procs").exists():
        return [_ROOT]
    return [root for name in _CONTROLLERS if (root := _ROOT / name).is_dir()]
