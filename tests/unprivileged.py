"""Running a program without any right, whoever runs the tests and wherever the checkout lies."""

import functools
import os
import subprocess
import sys

_WITHOUT_CAPABILITIES = ("--inh-caps=-all", "--bounding-set=-all")
_NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups")


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """The beginning of a command: as another user who may read this checkout, else as root without its rights."""
    if os.geteuid() != 0:
        return ()
    nobody = ("setpriv", *_NOBODY, *_WITHOUT_CAPABILITIES)
    tried = subprocess.run([*nobody, sys.executable, "-c", "import engine"], capture_output=True, check=False)
    return nobody if tried.returncode == 0 else ("setpriv", *_WITHOUT_CAPABILITIES)
