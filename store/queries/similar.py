"""Words that are like others: typing errors are found, wherever in a name."""

from collections.abc import Iterable
from typing import Final

#: From how many letters on a word may have one error, and two.
_ONE_ERROR: Final = 4
_TWO_ERRORS: Final = 8


def errors_allowed(word: str) -> int:
    """How many letters may be other, missing or too many."""
    return (len(word) >= _ONE_ERROR) + (len(word) >= _TWO_ERRORS)


def errors_within(word: str, text: str, most: int) -> int | None:
    """The fewest errors with which ``word`` stands somewhere in ``text``; None if more than ``most``.

    Sellers' algorithm with neighbouring letters exchanged as one error, ended early by shared pairs of letters.
    """
    pairs = {word[place : place + 2] for place in range(len(word) - 1)}
    if sum(pair in text for pair in pairs) < len(pairs) - 3 * most:
        return None
    above: list[int] = []
    row = [0] * (len(text) + 1)
    for place, letter in enumerate(word):
        before, above = above, row
        row = [place + 1]
        for column, other in enumerate(text):
            cost = min(above[column] + (letter != other), above[column + 1] + 1, row[column] + 1)
            if place and column and letter == text[column - 1] and word[place - 1] == other:
                cost = min(cost, before[column - 1] + 1)
            row.append(cost)
        if min(row) > most:
            return None
    return min(row)


def close_names(text: str, names: Iterable[str], most: int) -> list[str]:
    """The names that are like a text, the most alike first; ``most`` of them."""
    wanted, allowed = text.lower(), max(1, errors_allowed(text))
    found = []
    for name in names:
        errors = errors_within(wanted, name.lower(), allowed)
        if errors is not None:
            found.append((errors, abs(len(name) - len(text)), name))
    return [name for _, _, name in sorted(found)[:most]]
