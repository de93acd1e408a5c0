"""Which TLS libraries the processes of this machine use, and which of them are not seen."""

import time
from collections import Counter
from typing import Final

from model.probe import Hook
from probes.checks.check import Check
from probes.http.config import HttpConfig
from probes.tls.finders import FINDERS
from probes.userspace.follower import Follower, processes

NAME: Final = "TLS libraries in use"
#: After so long the rest of the processes is left.
SECONDS: Final = 3.0


class _Nothing:
    def close(self) -> None:
        """Nothing was attached."""


def check_libraries(config: HttpConfig) -> list[Check]:
    """What is found in the files that processes run; nothing is attached."""
    if "off" in (config.enabled, config.tls):
        key = "http.enabled" if config.enabled == "off" else "http.tls"
        return [Check(NAME, "not needed", f"{key} is off")]
    follower, left = Follower(FINDERS, _attach), processes()
    end = time.monotonic() + SECONDS
    while left and time.monotonic() < end:
        follower.look(left.pop())
    state = follower.state()
    seen: Counter[str] = Counter(what for file in state if not file["reason"] for what in file["found"])
    found = ", ".join(f"{what} in {count} {_files(count)}" for what, count in sorted(seen.items()))
    rest = f"; {len(left)} processes were not looked at" if left else ""
    checks = [Check(NAME, "ok", (found or "none") + rest)]
    return checks + [
        Check("not seen", "not needed", f"{file['file']}: {file['reason']}; see `tailrace inspect`")
        for file in state
        if file["reason"]
    ]


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _attach(_: Hook) -> _Nothing:
    return _Nothing()
