"""Patterns as a shell has them (``*``, ``?``, ``[a-z]``, ``[!0-9]``), and what can be none."""

from collections.abc import Iterator, Sequence


def check_glob(pattern: str) -> None:
    """Refuse what ``fnmatch`` takes in silence, and which then matches nothing, or not what was meant.

    :raises ValueError: if a bracket is not closed, or a range runs backward.
    """
    for signs in _brackets(pattern):
        if signs is None:
            raise ValueError(f"{pattern!r} is no pattern, its [ is not closed: write [[] for the sign itself")
        for first, dash, last in zip(signs, signs[1:], signs[2:], strict=False):
            if dash == "-" and first > last:
                raise ValueError(f"{pattern!r} is no pattern, {first}-{last} runs backward")


def check_globs(key: str, patterns: Sequence[str]) -> None:
    """The same of a list in the configuration.

    :raises ValueError: with the place of the first that is none, ``key[0]``.
    """
    for place, pattern in enumerate(patterns):
        try:
            check_glob(pattern)
        except ValueError as error:
            raise ValueError(f"{key}[{place}]: {error}") from None


def _brackets(pattern: str) -> Iterator[str | None]:
    """What stands in each pair of brackets, where a ] that comes first is a sign; None for one that is not closed."""
    begin = 0
    while (begin := pattern.find("[", begin)) >= 0:
        first = begin + 2 if pattern[begin + 1 : begin + 2] == "!" else begin + 1
        end = pattern.find("]", first + 1)
        if end < 0:
            yield None
            return
        yield pattern[first:end]
        begin = end + 1
