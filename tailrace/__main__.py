"""The command ``tailrace``, and ``python -m tailrace``: imports nothing of ours before it knows that it is ours."""

import os
import signal
import sys
from typing import Final

from tailrace import limits, packages, standard_streams

#: As shells say that SIGINT ended a program.
_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line and end the program with its exit code; 1 if a limit is too low to load anything, 2 if a
    package is hidden by another's."""
    # Who runs on tells its state then (``engine.commands.signals``); no other command ends of it. SIG_IGN would be
    # inherited by what is started.
    signal.signal(signal.SIGUSR1, lambda _, __: None)
    standard_streams.provide()
    # numpy's library of linear algebra, which nothing here uses, would start a thread for each processor, and send
    # SIGINT to the program where a limit keeps it from that.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if fault := limits.complaint():
        print(f"tailrace: {fault}", file=sys.stderr)
        sys.exit(1)
    if fault := packages.complaint():
        print(f"tailrace: {fault}", file=sys.stderr)
        sys.exit(2)
    sys.exit(_run())


def _run() -> int:
    try:
        from engine.cli import run_command
        from model.standard_output import flushed
    except (OSError, MemoryError) as error:  # no descriptor, or no memory, is left for what is imported
        from model.errors import explained

        print(f"tailrace: {explained(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # in the second in which all is imported
        return _INTERRUPTED
    return flushed(run_command())


if __name__ == "__main__":
    main()
