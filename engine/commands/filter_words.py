"""The words of a filter on the command line, which may stand before and after options."""

import argparse
import re
from collections.abc import Sequence
from typing import Final

#: ``-process:prometheus``: a dash that excludes, which is no option.
_EXCLUDED: Final = re.compile(r"-([A-Za-z_][\w.]*(?:[:=<>]).*)", re.S)


#: ``--against -1d``: a time before, which is no option.
_BEFORE: Final = re.compile(r"-\d")


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument(
        "filter",
        nargs="*",
        metavar="FILTER",
        help="which rows: words such as port:5432 'failed>0' ns:shop -process:prometheus; see docs/filters.md",
    )


def parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options, and as ``filter`` all words, wherever they stood."""
    words = [
        _EXCLUDED.sub(r"!\1", argument) if _EXCLUDED.fullmatch(argument) else argument
        for argument in arguments
    ]
    options, left = parser.parse_known_args(_joined(words))
    if left and ("filter" not in options or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        options.filter = [*options.filter, *left]
    return options


def _joined(words: Sequence[str]) -> list[str]:
    """The words with ``--against`` and a time that begins with a dash as one."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--against" and _BEFORE.match(word):
            joined[-1] = f"--against={word}"
        else:
            joined.append(word)
    return joined
