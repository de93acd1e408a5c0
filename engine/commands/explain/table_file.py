"""Tables of attributes and counts, read from a file with a line of names."""

import csv
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from actors.explain.leaves import (
    Leaves,
    dispersion_of,
    doubt_of_rate,
    expected_by_rate,
    expected_of_rate,
    healthy_rate,
)
from model.errors import UsageError

#: Rows of a table at most: as many fit into the memory of a small machine.
MOST_ROWS: Final = 5_000_000
_QUOTED: Final = re.compile('"[^"]*"')
_NOTHING: Final = "name it as the first line of the file does"


@dataclass(frozen=True)
class Roles:
    """Which columns have counts; all others are attributes.

    :param bad: how many were bad.
    :param total: bad and good.
    :param expected_bad: the same at a time that was normal; empty: not known.
    :param expected_total: likewise.
    :param ignored: columns that are neither.
    """

    bad: str
    total: str
    expected_bad: str = ""
    expected_total: str = ""
    ignored: Sequence[str] = ()

    @property
    def counts(self) -> list[str]:
        """The columns with numbers."""
        return [name for name in (self.bad, self.total, self.expected_bad, self.expected_total) if name]


def read_leaves(path: str, roles: Roles) -> Leaves:
    """The table as leaves: rows that agree in all attributes are one.

    :param path: of the file; ``-``: standard input.
    :raises UsageError: if it cannot be read, or says something that cannot be.
    """
    names, rows = _read(path)
    _check_names(path, names, roles)
    counts = {name: _numbers(path, name, rows[names.index(name)]) for name in roles.counts}
    _check_counts(path, counts, roles)
    attributes = [name for name in names if name not in {*roles.counts, *roles.ignored}]
    if not attributes:
        raise UsageError(f"{path} has no attributes", "a column beside the counts says what rows differ in")
    values, codes = zip(*(_coded(rows[names.index(name)]) for name in attributes), strict=True)
    return leaves_of(attributes, values, np.stack(codes, axis=1), counts, roles)


def _read(path: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """The names, and one column of texts for each."""
    try:
        with (
            nullcontext(sys.stdin)
            if path == "-"
            else Path(path).open(newline="", encoding="utf-8-sig") as file
        ):
            head = file.readline()
            reader = csv.reader(chain([head], file), delimiter=_delimiter(head))
            names = next(reader, [])
            rows = []
            for row in reader:
                if len(row) != len(names) and row:
                    raise UsageError(
                        f"{path}, line {reader.line_num}: {len(row)} fields, not {len(names)}",
                        "each line has a field for each name of the first",
                    )
                if row:
                    rows.append(row)
                if len(rows) > MOST_ROWS:
                    raise UsageError(f"{path} has more than {MOST_ROWS:,} rows", "sum them up first")
    except OSError as error:
        raise UsageError(
            f"cannot read {path} ({error.strerror})", "name a file of comma-separated values"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no table ({error})", "give comma-separated values in UTF-8") from None
    if not rows:
        raise UsageError(
            f"{path} has no rows", "the first line names the columns, a row for each count follows"
        )
    return names, list(zip(*rows, strict=True))


def _delimiter(head: str) -> str:
    """What stands between names: of comma, semicolon and tab the one that there are most of outside of quotes."""
    bare = _QUOTED.sub("", head)
    return max(",;\t", key=bare.count)


def _check_names(path: str, names: list[str], roles: Roles) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageError(f"{path} has two columns {doubled[0]}", "give each a name of its own")
    for name in (*roles.counts, *roles.ignored):
        if name not in names:
            raise UsageError(f"{path} has no column {name}; it has {', '.join(names)}", _NOTHING)
    if len(set(roles.counts)) < len(roles.counts) and roles.bad == roles.total:
        raise UsageError(f"{roles.bad} is both bad and total", "name two columns")


def _numbers(path: str, name: str, column: Sequence[str]) -> np.ndarray:
    try:
        numbers = np.array(column, np.float64)
    except ValueError:
        at = next(at for at, text in enumerate(column) if not _is_number(text))
        raise UsageError(f"{path}, row {at + 1}: {name} is {column[at]!r}", "a count is a number") from None
    wrong = np.flatnonzero(~np.isfinite(numbers) | (numbers < 0))
    if len(wrong):
        at = int(wrong[0])
        raise UsageError(
            f"{path}, row {at + 1}: {name} is {column[at]}", "a count is a number, and not below 0"
        )
    return numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_counts(path: str, counts: dict[str, np.ndarray], roles: Roles) -> None:
    pairs = [(roles.bad, roles.total)]
    if roles.expected_bad:
        pairs.append((roles.expected_bad, roles.expected_total))
    for bad, total in pairs:
        wrong = np.flatnonzero(counts[bad] > counts[total] * (1 + 1e-9))
        if len(wrong):
            at = int(wrong[0])
            said = f"{bad} is {counts[bad][at]:g}, more than {total}, which is {counts[total][at]:g}"
            raise UsageError(f"{path}, row {at + 1}: {said}", "the total counts the bad ones, too")


def _coded(column: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The different texts of a column, and the place of each row's among them."""
    places: dict[str, int] = {}
    codes = np.fromiter((places.setdefault(text, len(places)) for text in column), np.int64, len(column))
    return list(places), codes


def _alike(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A row of each combination of values, in the order of codes, and the combination of each row."""
    keys = np.zeros(len(codes), np.int64)
    for column in codes.T:
        keys = np.unique(keys * (int(column.max()) + 1) + column, return_inverse=True)[1].ravel()
    return np.unique(keys, return_index=True)[1], keys


def leaves_of(
    names: Sequence[str],
    values: Sequence[Sequence[str]],
    codes: np.ndarray,
    counts: dict[str, np.ndarray],
    roles: Roles,
) -> Leaves:
    """Leaves of rows: those that agree in all attributes are one.

    :param values: for each attribute what its codes stand for.
    :param codes: of each row; shape (n, D).
    :param counts: the columns that have roles; shape (n,) each.
    """
    first, places = _alike(codes)
    codes = codes[first]
    summed = {name: np.bincount(places, column, len(codes)) for name, column in counts.items()}
    bad, total = summed[roles.bad], summed[roles.total]
    if not roles.expected_bad:
        expected = expected_of_rate(total, healthy_rate(codes, bad, total))
        dispersion = dispersion_of(bad, total, expected)
        return Leaves(names, values, codes, bad, total, expected, dispersion, supposed=True)
    expected = expected_by_rate(total, summed[roles.expected_bad], summed[roles.expected_total])
    doubt = doubt_of_rate(total, summed[roles.expected_total])
    dispersion = np.maximum(dispersion_of(bad, total, expected), doubt)
    return Leaves(names, values, codes, bad, total, expected, dispersion, doubt=doubt)
