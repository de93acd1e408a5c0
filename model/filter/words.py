"""The grammar: words between blanks, each of a key, an operator and values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.errors import UsageError

#: ``key:value``, ``key>value``: what a word is made of. The key may be excluded by ``-``, or ``!`` where a shell or a
#: command line would take the dash for an option.
_WORD: Final = re.compile(
    r"(?P<excluded>[-!]?)(?P<key>[A-Za-z_][\w.]*)(?P<operator>:|>=|<=|>|<|=)(?P<value>.*)", re.S
)
#: Blanks divide words, but for those between double quotes.
_PARTS: Final = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
#: Commas divide values, likewise.
_VALUES: Final = re.compile(r'(?:[^,"]|"[^"]*")+')


class FilterError(UsageError):
    """A word of a filter that means nothing.

    :param word: that one.
    """

    def __init__(self, text: str, begin: int, end: int, what: str, remedy: str = "") -> None:
        marked = f"{text[:begin]}»{text[begin:end]}«{text[end:]}"
        super().__init__(f"filter: {what} at {marked}", remedy)


@dataclass(frozen=True)
class Word:
    """One word.

    :param text: of the whole filter; the word is at ``begin`` to ``end``.
    :param operator: ``:`` for is, or a comparison.
    :param values: any of them; a comparison has one.
    """

    text: str
    begin: int
    end: int
    excluded: bool
    key: str
    operator: str
    values: tuple[str, ...]

    def error(self, what: str, remedy: str = "") -> FilterError:
        """One that points at this word."""
        return FilterError(self.text, self.begin, self.end, what, remedy)


def words_of(text: str) -> Iterator[Word]:
    """The words of a filter, in order.

    :raises FilterError: if one has no key, operator or value.
    """
    for found in _PARTS.finditer(text):
        begin, end = found.span()
        word = _WORD.fullmatch(found[0])
        if word is None:
            remedy = "write KEY:VALUE or KEY>NUMBER, such as port:5432 failed>0 -process:prometheus"
            raise FilterError(text, begin, end, "no key and operator", remedy)
        operator = ":" if word["operator"] == "=" else word["operator"]
        said = word["value"]
        quotes = said.count('"')
        values = tuple(value.replace('"', "") for value in _VALUES.findall(said))
        if not values or quotes % 2 or "" in said.split(",") or (operator != ":" and len(values) > 1):
            what = (
                "no value"
                if not said
                else "a quote that is not closed"
                if quotes % 2
                else "values that are none"
            )
            raise FilterError(text, begin, end, what, "write KEY:VALUE, KEY:VALUE,VALUE or KEY>NUMBER")
        yield Word(text, begin, end, bool(word["excluded"]), word["key"], operator, values)
