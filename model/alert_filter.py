"""Filters of alerts: words as filters of rows have them, asked of the labels of one alert."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from model.alert import SEVERITIES
from model.filter.names import NAMES
from model.filter.patterns import text_test
from model.filter.words import Word, words_of

#: What only alerts have.
_OWN: Final = ("severity", "subject", "symptom", "rule")
#: Keys that name somebody or something; those that count have no place here.
KEYS: Final = (*_OWN, *(key for key, name in NAMES.items() if not (name.added or name.measure)))
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    ">": int.__gt__,
    ">=": int.__ge__,
    "<": int.__lt__,
    "<=": int.__le__,
}

#: Filters that are kept ready: those of silences are asked of each incident, again and again.
_KEPT: Final = 2048

_Values = Mapping[str, set[str]]
_Test = Callable[[_Values], bool]


class AlertFilter:
    """All of its words must match; of words ``key:value`` with the same key any, of excluded ones none.

    :param text: such as ``severity>=error ns:shop -workload:batch-*``; empty: every alert.
    :raises FilterError: if a word is none.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        alternatives: dict[str, list[_Test]] = defaultdict(list)
        self._every: list[_Test] = []
        for word in words_of(self.text):
            test = _test(word)
            if word.excluded:
                self._every.append(_none(test))
            elif word.operator == ":":
                alternatives[word.key].append(test)
            else:
                self._every.append(test)
        self._every += [_any(tests) for tests in alternatives.values()]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is wanted."""
        values = _values(labels)
        return all(test(values) for test in self._every)


@lru_cache(_KEPT)
def alert_filter(text: str) -> AlertFilter:
    """That of a text.

    :raises FilterError: if a word is none.
    """
    return AlertFilter(text)


def _values(labels: Mapping[str, str]) -> _Values:
    """What each key means: ``server.version`` is a ``version``, too, and ``shop/cart`` a workload in a namespace."""
    values: dict[str, set[str]] = defaultdict(set)
    for name, value in labels.items():
        if name == "rule":
            values[name] |= set(value.split())
            continue
        side, dot, end = name.rpartition(".")
        found = {end: value}
        if end in ("workload", "subject"):
            namespace, slash, workload = value.rpartition("/")
            values["workload"] |= {value, workload}
            values[f"{side}{dot}workload"].add(workload)
            found["ns"] = namespace if slash else ""
        for key, each in found.items():
            values[key].add(each)
            values[f"{side}{dot}{key}"].add(each)
    return values


def _test(word: Word) -> _Test:
    side, dot, key = word.key.rpartition(".")
    if key not in KEYS or (dot and (side not in ("client", "server") or key in _OWN)):
        close = get_close_matches(word.key, KEYS, 1)
        remedy = f"did you mean {close[0]}?" if close else f"they have {', '.join(KEYS)}"
        raise word.error(f"alerts have no {word.key!r}", remedy)
    if key == "severity":
        return _severity(word)
    if word.operator != ":":
        raise word.error(f"{word.key} is no number", "write : in place of it")
    try:
        tests = [text_test(value) for value in word.values]
    except ValueError as error:
        raise word.error(str(error)) from None
    return lambda values: any(test(each) for test in tests for each in values.get(word.key, ()))


def _severity(word: Word) -> _Test:
    for value in word.values:
        if value not in SEVERITIES:
            raise word.error(f"{value} is no severity", f"write one of {', '.join(SEVERITIES)}")
    if word.operator == ":":
        return lambda values: not values["severity"].isdisjoint(word.values)
    compare, least = _COMPARE[word.operator], SEVERITIES.index(word.values[0])
    return lambda values: any(compare(SEVERITIES.index(each), least) for each in values["severity"])


def _any(tests: list[_Test]) -> _Test:
    return lambda values: any(test(values) for test in tests)


def _none(test: _Test) -> _Test:
    return lambda values: not test(values)
