"""Command lines without their secrets: what looks like a password, a token or a key is masked."""

import re
from collections.abc import Sequence
from typing import Final

from model.settings import HIDDEN

#: In the name of an option, a variable or a header.
_SECRET: Final = (
    r"passw(?:or)?d|passwd|passphrase|passcode|pwd|secret|token(?!i[sz]|s\b)|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key"
    r"|auth[-_.]?key|signing[-_.]?key|encryption[-_.]?key|account[-_.]?key|authorization|bearer|cookie|session[-_.]?id"
)
#: These say where the secret is, or nothing of it.
_HARMLESS: Final = re.compile(
    r"[-_.](?:file|path|stdin|dir|name|id|type|url|endpoint|length|ttl|policy)$", re.I
)
_NAMED: Final = re.compile(rf"{_SECRET}|(?<![a-z])(?:pass|pw)(?![a-z])", re.I)
#: ``NAME=VALUE`` anywhere in an argument: an option, a variable, a part of a query or of a connection string.
_ASSIGNED: Final = re.compile(r"(?<![\w.-])([\w.-]+)(=)(\"[^\"]*\"|'[^']*'|[^\s&;,\"']+)")
#: ``Name: VALUE``, as in headers and JSON.
_HEADER: Final = re.compile(rf"((?:{_SECRET})[\w-]*[\"']?\s*:\s*)(\S.*)", re.I | re.S)
#: The part of a URL before its host (RFC 3986, 3.2.1).
_USERINFO: Final = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@?#]*:)([^\s/?#]*)(@)")
#: Programs whose one-letter option takes a password, apart from it or joined to it (their manuals).
_LETTERS: Final = {
    "mysql": "p",
    "mysqldump": "p",
    "mysqladmin": "p",
    "mysqlimport": "p",
    "mariadb": "p",
    "mariadb-dump": "p",
    "mongo": "p",
    "mongosh": "p",
    "mongodump": "p",
    "mongorestore": "p",
    "sshpass": "p",
    "redis-cli": "a",
    "ldapsearch": "w",
    "ldapmodify": "w",
    "ldapadd": "w",
    "sqlcmd": "P",
    "bcp": "P",
    "ipmitool": "P",
    "7z": "p",
    "7za": "p",
    "7zr": "p",
    "unzip": "P",
    "zip": "P",
}
#: Programs whose option -u takes ``user:password``.
_USERS: Final = frozenset({"curl", "http", "https", "xh", "hey", "ab"})
#: The program is one of the first words: it may come behind sudo, env, timeout, exec.
WORDS_BEFORE_PROGRAM: Final = 5
#: What follows -p where it is no password: a port, ports, an address, a path, a pid.
_NO_PASSWORD: Final = re.compile(r"[\d.:,/\[\]-]+(?:/(?:tcp|udp|sctp))?$|[./~]|\w+/|-")


def redacted(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command line, its program first, with ``***`` for what looks like a secret.

    Rather too much than too little: it does not know every program.
    """
    if not arguments:
        return []
    programs = [_program(argument) for argument in arguments[:WORDS_BEFORE_PROGRAM]]
    letter = next((_LETTERS[name] for name in programs if name in _LETTERS), "")
    takes_user = not _USERS.isdisjoint(programs)
    cleaned: list[str] = []
    follows = False  # a secret
    for number, argument in enumerate(arguments):
        before = arguments[number - 1] if number else ""
        if follows and not argument.startswith("-"):
            cleaned.append(HIDDEN)
            follows = False
            continue
        follows = _asks_for_secret(argument)
        if number and _is_password(argument, before, letter):
            cleaned.append(HIDDEN)
        elif before in ("--user", "--proxy-user") or (takes_user and before in ("-u", "-U")):
            cleaned.append(_without_password(argument))
        else:
            cleaned.append(_cleaned(argument, letter))
    return cleaned


def _program(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _asks_for_secret(argument: str) -> bool:
    """Whether it is an option such as --password, whose value comes next."""
    if not argument.startswith("-") or "=" in argument or " " in argument or len(argument) < 3:
        return False
    return _is_secret(argument)


def _is_secret(name: str) -> bool:
    return bool(_NAMED.search(name)) and not _HARMLESS.search(name)


def _is_password(argument: str, before: str, letter: str) -> bool:
    """Whether it is the value of a -p, or of the letter that means password to this program."""
    if letter and before == f"-{letter}":
        return True
    return before == "-p" and not _NO_PASSWORD.match(argument)


def _without_password(argument: str) -> str:
    user, colon, _ = argument.partition(":")
    return f"{user}{colon}{HIDDEN}" if colon else argument


def _cleaned(argument: str, letter: str) -> str:
    """One argument; one with blanks may be a command line of its own."""
    if letter and len(argument) > 2 and argument.startswith(f"-{letter}") and argument[2] != "=":
        return f"-{letter}{HIDDEN}"
    if header := _HEADER.search(argument):
        return f"{argument[: header.end(1)]}{HIDDEN}"
    words = re.split(r"(\s+)", argument)
    if len(words) > 1 and words[0] != argument:
        argument = _cleaned_command(words)
    argument = _USERINFO.sub(rf"\g<1>{HIDDEN}\g<3>", argument)
    return _ASSIGNED.sub(_assigned, argument)


def _cleaned_command(words: list[str]) -> str:
    """A command line within an argument, as after ``sh -c``; ``words`` and what is between them, in turns."""
    inner = iter(redacted(words[::2]))
    return "".join(next(inner) if number % 2 == 0 else word for number, word in enumerate(words))


def _assigned(found: re.Match[str]) -> str:
    name, sign, value = found.groups()
    return f"{name}{sign}{HIDDEN if _is_secret(name) else value}"
