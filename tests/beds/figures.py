"""What a Tailrace process tells of itself while it runs."""

import re
import urllib.request
from typing import Final

from tests.ports import free_port

_TIMEOUT_SECONDS: Final = 10.0


class Figures:
    """The metrics of one process, which is started with ``environment``."""

    def __init__(self) -> None:
        self._address = f"127.0.0.1:{free_port()}"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the process."""
        return {"TAILRACE_METRICS_LISTEN": self._address}

    def identities(self, enricher: str) -> int:
        """How many an enricher has in memory; it takes in what its source says in the source's order."""
        try:
            with urllib.request.urlopen(
                f"http://{self._address}/metrics", timeout=_TIMEOUT_SECONDS
            ) as answer:
                text = answer.read().decode()
        except OSError:  # it does not listen yet
            return 0
        found = re.search(rf'^tailrace_identities{{enricher="{enricher}"}} (\S+)$', text, re.MULTILINE)
        return int(float(found[1])) if found else 0
