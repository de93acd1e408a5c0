"""What an agent loads of NATS."""

import subprocess
import sys
from pathlib import Path

import engine.nats

MODULES = sorted(f"engine.nats.{path.stem}" for path in Path(engine.nats.__path__[0]).glob("[!_]*.py"))


def test_nothing_of_nats_loads_faust() -> None:
    """All of engine/nats together: neither Faust nor the service framework under it comes with it."""
    program = f"import sys, {', '.join(MODULES)}; print({{'faust', 'mode'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (len(MODULES) > 10, done.stdout) == (True, "set()\n")
