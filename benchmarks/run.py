"""``python -m benchmarks [NAME…] [-o table|json] [--list]``: measures figures and holds them to their bars."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from benchmarks.figure import Figure, Reading
from benchmarks.report import PRINTERS
from model.errors import TailraceError, UsageError

EXIT_GOOD, EXIT_MISSED, EXIT_USAGE = 0, 1, 2


def build_parser() -> argparse.ArgumentParser:
    """All options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures, peers and bars.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure (default: all)")
    parser.add_argument("-o", "--output", choices=tuple(PRINTERS), default="table")
    parser.add_argument("--list", action="store_true", help="list the figures and end")
    return parser


def choose(figures: Sequence[Figure], names: Sequence[str]) -> list[Figure]:
    """The figures of these names, in the order of the catalogue; all without names.

    :raises UsageError: if a name is not known, with those that are.
    """
    known = [figure.name for figure in figures]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"unknown figure {', '.join(unknown)}", f"known: {', '.join(known)}")
    return [figure for figure in figures if not names or figure.name in names]


def readings(figure: Figure) -> Iterator[Reading]:
    """What a figure gives; one that cannot be measured gives a reading that says why."""
    try:
        yield from figure.measure()
    except (TailraceError, OSError) as error:
        yield Reading(None, "", note=f"not measured: {error}")


def lines(figures: Iterable[Figure]) -> Iterator[dict[str, Any]]:
    """One line for each reading, as soon as it is there."""
    for figure in figures:
        print(f"{figure.name}: {figure.purpose} …", file=sys.stderr, flush=True)
        for reading in readings(figure):
            yield reading.as_dict(figure.name)


def misses(line: dict[str, Any]) -> str:
    """Which bar a line misses, in words; the peer is named where the bar speaks of it."""
    if line["value"] is None:
        return f"{line['name']}: {line['note']}"
    value = f"{line['value']:.4g} {line['unit']}"
    if line["ratio"] is not None and "x" in line["bar"].split()[-1]:
        return f"{line['name']} against {line['peer']}: {value} ({line['ratio']:.3g}x), not {line['bar']}"
    return f"{line['name']}: {value}, not {line['bar']}"


def measure(figures: Iterable[Figure], output: str) -> int:
    """Prints each line as it comes, and on standard error which bars were missed; the exit code."""
    printer = PRINTERS[output]()
    missed: dict[str, None] = {}  # each sentence once: lines of one figure may differ in the peer alone
    for line in lines(figures):
        printer.line(line)
        if not line["ok"]:
            missed[misses(line)] = None
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return EXIT_MISSED if missed else EXIT_GOOD


def _end(number: int, _: FrameType | None) -> NoReturn:
    """Leaves by an exception, so that every block that has something to put back does."""
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None, figures: Sequence[Figure] | None = None) -> int:
    """The exit code: 0 all bars cleared, 1 one missed, 2 usage.

    :param figures: the catalogue by default.
    """
    options = build_parser().parse_args(arguments)
    if figures is None:
        from benchmarks.catalogue import FIGURES  # what it imports is not needed to say what is wrong

        figures = FIGURES
    try:
        chosen = choose(figures, options.names)
    except UsageError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return EXIT_USAGE
    if options.list:
        for figure in chosen:
            print(f"{figure.name:24} {figure.purpose}")
        return EXIT_GOOD
    for name in ("STORE", "TROUBLE", "UDP", "DNS", "DROPS"):
        os.environ.setdefault(
            f"TAILRACE_{name}_ENABLED", "off"
        )  # figures are of the job alone, unless they say so
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    return measure(chosen, options.output)
