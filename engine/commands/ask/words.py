"""From words and options of a command to parameters of its question."""

import argparse
import re
from typing import Final

import msgspec

from model.filter.names import NAMES, SINCE, UNTIL
from store.queries.parameters import PURPOSES

_FILTER: Final = re.compile(r"[-!]?(?P<key>[A-Za-z_][\w.]*)(?P<operator>:|>=|<=|>|<|=)(?=\S)", re.S)
#: Questions that two words without an operator name an edge for.
OF_EDGES: Final = frozenset({"endpoints", "series", "nat", "where", "quality", "instances"})


def said_by(question: str, options: argparse.Namespace) -> dict[str, list[str]]:
    """The parameters that were said, as the words of a URL are."""
    kind = PURPOSES[question][1]
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    said = {name: list(value) for name in names if (value := getattr(options, name, None))}
    words = list(options.filter)
    if question == "search":
        return said | {"q": [" ".join(words)]}
    plain = [word for word in words if not is_filter(word)]
    filters = [word for word in words if is_filter(word)]
    if question in OF_EDGES and len(plain) == 2:
        said["edge"] = [*said.get("edge", []), ">".join(plain)]
    elif question in OF_EDGES and len(plain) == 1 and ">" in plain[0]:
        said["edge"] = [*said.get("edge", []), *plain]
    elif plain:
        said["select"] = plain
    if filters:
        said["q"] = [" ".join(filters)]
    return said


def is_filter(word: str) -> bool:
    """Whether a word is one of the filter: ``redis:6379`` and ``cart>db:5432`` are none."""
    found = _FILTER.match(word)
    if found is None:
        return False
    key, value = found["key"].rpartition(".")[2], word[found.end("operator") :]
    if key in NAMES or key in (SINCE, UNTIL, "kind", "host"):
        return True
    return value[0].isdecimal() != (found["operator"] == ":")
