"""``tailrace map``, ``search``, ``edges`` and the other questions that are asked of a store."""

import argparse
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from engine.commands.ask.words import OF_EDGES, said_by
from engine.config import Config
from store.queries.parameters import PURPOSES, Scope, Times, is_list, meanings_of

#: Those on the command line; what a shell completes is not one of them.
NAMES: Final = (
    "map",
    "search",
    "edges",
    "endpoints",
    "series",
    "diff",
    "where",
    "quality",
    "nat",
    "instances",
    "moments",
)
_FORMS: Final = ("table", "json", "csv")
_PICTURES: Final = ("svg", "dot", "link")
#: Parameters that are words without an option.
_WORDS: Final = frozenset({"select", "q"})


@dataclass(frozen=True)
class QuestionCommand:
    """One question as a command."""

    name: str

    def add(self, commands: Any, common: argparse.ArgumentParser) -> None:
        """Its options: the parameters of the question."""
        purpose, kind = PURPOSES[self.name]
        parser = commands.add_parser(
            self.name,
            parents=[common],
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}. Words: {_positional(self.name, kind)}",
        )
        parser.add_argument("filter", nargs="*", metavar="WORD", help=_positional(self.name, kind))
        meanings = meanings_of(kind)
        for field in msgspec.structs.fields(kind):
            if field.encode_name not in _WORDS:
                _add(parser, field, meanings.get(field.name, ""))
        if self.name == "map":
            parser.add_argument(
                "--up", action="store_const", const=["up"], dest="direction", help="who calls it"
            )
            parser.add_argument(
                "--down", action="store_const", const=["down"], dest="direction", help="whom it calls"
            )
        forms = (*_FORMS, *_PICTURES) if self.name == "map" else _FORMS
        parser.add_argument("-o", "--output", choices=forms, default="table", help="form of the answer")
        parser.add_argument(
            "--store",
            metavar="PLACE",
            help="the store to read: folder, or clickhouse:// and a host (default: as configured)",
        )
        parser.add_argument("--server", metavar="URL", help="ask a running Tailrace: http://127.0.0.1:8686")
        parser.add_argument(
            "--token-file", metavar="FILE", default="", help="with the token that the server wants"
        )
        parser.set_defaults(execute=self.execute)

    def execute(self, config: Config, options: argparse.Namespace) -> int:
        """0 if there is an answer."""
        from engine.commands.ask.answered import print_answer

        print_answer(config, self.name, said_by(self.name, options), options)
        return 0


def _positional(name: str, kind: type[Times]) -> str:
    if name == "search":
        return "what to look for, and filter words: check zone:a"
    if name == "moments":
        return "workloads: shop/cart"
    if name in OF_EDGES:
        return "a workload, or two: client and server:port; and filter words"
    assert issubclass(kind, Scope)
    return "workloads (shop/cart, cart, 'shop/*') and filter words (failed>0 port:5432 zone:a)"


def _add(parser: argparse.ArgumentParser, field: Any, meaning: str) -> None:
    """An option of a parameter; its values are checked where the API's are."""
    option = f"--{field.encode_name.replace('_', '-')}"
    if is_list(field.type):
        meaning = f"{meaning}; may be repeated"
    default = "" if field.default in (msgspec.NODEFAULT, "", []) else f" (default: {field.default})"
    parser.add_argument(
        option,
        action="append",
        dest=field.encode_name,
        metavar=field.encode_name.upper(),
        help=(meaning + default).replace("%", "%%"),
    )


COMMANDS: Final = tuple(map(QuestionCommand, NAMES))
