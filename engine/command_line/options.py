"""What the parser knows of each command, in plain terms."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One option, or an argument without dashes.

    :param names: such as ``-o`` and ``--output``; none for an argument.
    :param value: what the value is called; empty if it takes none.
    :param choices: the values that there are; none if any will do.
    """

    names: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    text: str

    @property
    def takes_file(self) -> bool:
        """Whether its value is the path of a file."""
        return self.value == "FILE"


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    text: str
    options: tuple[Option, ...]


def commands_of(parser: argparse.ArgumentParser) -> list[Command]:
    """All commands, in the order of ``--help``."""
    found = []
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        texts = {each.dest: each.help or "" for each in action._choices_actions}
        for name, each in action.choices.items():
            found.append(Command(name, texts.get(name, ""), tuple(options_of(each))))
    return found


def options_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    """Those of one parser; a command among the arguments is none of them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
        choices = tuple(str(each) for each in action.choices or ())
        yield Option(tuple(action.option_strings), _value(action), choices, text)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    return metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
