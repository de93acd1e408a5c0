"""The command ``tailrace``, and ``python -m tailrace``: imports nothing of ours before it knows that it is ours."""

import sys

from tailrace.packages import complaint


def main() -> None:
    """Run the command line and end the program with its exit code; 2 if a package is hidden by another's."""
    if fault := complaint():
        print(f"tailrace: {fault}", file=sys.stderr)
        sys.exit(2)
    from engine.cli import main as run

    run()


if __name__ == "__main__":
    main()
