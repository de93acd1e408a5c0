"""Which TLS libraries and Envoys run on this machine, and which of them are not seen."""

import time
from collections import Counter
from typing import Final

from model.probe import Hook
from probes.checks.check import Check
from probes.envoy.functions import FINDER as ENVOY
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
    follower, left = Follower((*FINDERS, ENVOY), _attach), processes()
    end = time.monotonic() + SECONDS
    while left and time.monotonic() < end:
        follower.look(left.pop())
    state = follower.state()
    seen: Counter[str] = Counter(what for file in state if not file["reason"] for what in file["found"])
    envoys = seen.pop(ENVOY.name, 0)
    found = ", ".join(f"{what} in {count} {_files(count)}" for what, count in sorted(seen.items()))
    rest = f"; {len(left)} processes were not looked at" if left else ""
    checks = [Check(NAME, "ok", (found or "none") + rest)]
    if envoys:
        checks.append(Check("Envoys in use", "ok", f"its functions are known in {envoys} {_files(envoys)}"))
    return checks + [
        Check("not seen", "not needed", f"{file['file']}: {file['reason']}; see `tailrace inspect`")
        for file in state
        if file["reason"]
    ]


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _attach(_: Hook) -> _Nothing:
    return _Nothing()
