"""Settings of a plug-in: a struct that checks them, and marks for those that nobody may see."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Final, get_args, get_origin, get_type_hints
from urllib.parse import unquote

import msgspec

#: What stands in the place of a secret.
HIDDEN: Final = "***"


class Secret:
    """Marks a setting that nobody may see: ``token: Annotated[str, Secret()] = ""``.

    Tailrace keeps it out of the log, out of error messages and out of ``repr()``, and takes it from the
    configuration file or the environment alone, never from the command line.
    """

    def parts(self, value: object) -> Iterator[str]:
        """The texts in ``value`` that are secret: all of them."""
        yield from _texts(value)


class UrlSecret(Secret):
    """Marks a URL in which a password may stand: after the user, or as a key of the query.

    :param keys: of the query whose values are secret.
    """

    def __init__(self, *keys: str) -> None:
        names = "|".join(map(re.escape, keys))
        query = rf"|[?&](?:{names})=([^&#;]*)" if keys else ""
        self._pattern = re.compile(rf"(?:^|//|;)[^/?#;@]*?:([^/?#;]*)@{query}")

    def parts(self, value: object) -> Iterator[str]:
        """Passwords and values of the keys, as they are written and as they are read."""
        for text in _texts(value):
            for found in self._pattern.findall(text):
                for part in filter(None, (found,) if isinstance(found, str) else found):
                    yield part
                    if unquote(part) != part:
                        yield unquote(part)


class PluginConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the settings of a sink or an enricher derive from.

    Each field is a setting: its type is checked, its default is what the field is set to, and its meaning is the
    line ``:param NAME: …`` of the docstring. ``--sink NAME:ARG`` sets the first field.
    """

    def __repr__(self) -> str:
        """Without secrets."""
        marks = secret_fields(type(self))
        shown = (
            f"{name}={hidden(repr(value), marks[name].parts(value)) if name in marks else repr(value)}"
            for name, value in ((name, getattr(self, name)) for name in self.__struct_fields__)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


@cache
def secret_fields(config: type[msgspec.Struct]) -> Mapping[str, Secret]:
    """The mark of each field that has one."""
    return {
        name: mark
        for name, hint in get_type_hints(config, include_extras=True).items()
        if get_origin(hint) is Annotated
        for mark in get_args(hint)[1:]
        if isinstance(mark, Secret)
    }


def secrets_in(config: type[msgspec.Struct], settings: Mapping[str, object]) -> Iterator[str]:
    """All secrets in settings as they were written, before they are checked; also in sections within."""
    marks, hints = secret_fields(config), get_type_hints(config)
    for name, value in settings.items():
        if name in marks:
            yield from marks[name].parts(value)
        elif isinstance(value, Mapping) and _is_section(hints.get(name)):
            yield from secrets_in(hints[name], value)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """``text`` with what is secret in it replaced, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _is_section(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _texts(value: object) -> Iterator[str]:
    """The texts in lists and maps, however deep; numbers as they are written."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _texts(part)
    elif value is not None:
        yield str(value)
