"""Boots a guest program and gives the facts that it noted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.systemd.boot import reason_to_skip
from tests.systemd.guest.installation import CHECKOUT

ROOT: Final = Path(__file__).parents[2]
#: Seconds that a guest may take; alone it takes half a minute, on a busy machine several times that.
LIMIT: Final = 500


def boot(program: str, out: Path, *binds: str, root: str = "/") -> dict[str, Any]:
    """The facts of ``tests.systemd.guest.PROGRAM``, up to where it failed.

    :param binds: ``SOURCE:TARGET``, folders of the machine that it sees.
    """
    if reason := reason_to_skip():
        pytest.skip(reason)
    command = [sys.executable, str(ROOT / "tests/systemd/boot.py"), root, str(out), str(LIMIT)]
    for bind in (f"{ROOT}:{CHECKOUT}", *binds):
        command += ["--bind", bind]
    guest = ["/usr/bin/env", f"PYTHONPATH={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", "-m"]
    done = subprocess.run([*command, "--", *guest, f"tests.systemd.guest.{program}"], check=False)
    printed, facts = out / "printed", out / "facts.json"
    if done.returncode != 0:
        print(printed.read_text() if printed.exists() else "nothing was printed")
    return json.loads(facts.read_text()) if facts.exists() else {}
