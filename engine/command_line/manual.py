"""The manual page tailrace(1): ``python -m engine.command_line.manual``."""

from collections.abc import Iterable, Iterator
from typing import Final

from engine.cli import build_parser
from engine.command_line.options import Command, Option, commands_of, options_of
from model.version import VERSION

_ABOUT: Final = (
    "Shows every connection between the processes, containers, pods and services of Linux machines, second by "
    "second: who calls whom, through every NAT rewrite, how much, how well, and how it ends. It reads them in the "
    "kernel with BPF."
)
_EXIT: Final = {
    0: "All went well.",
    1: "Something failed; one line on standard error says what, and what to do.",
    2: "Usage.",
}
_FILES: Final = {
    "/etc/tailrace/tailrace.yaml": "What the units tailrace.service and tailrace-agent.service read.",
    "/etc/tailrace/engine.yaml": "What tailrace-engine.service reads.",
    "/etc/tailrace/environment": "Variables of the units; TAILRACE_TCP_SLOTS=1024 is the key tcp.slots.",
    "/var/log/tailrace": "Where the unit writes rows, unless it is told otherwise.",
    "/var/cache/tailrace": "Types of the running kernel; may be removed at any time.",
}
_SIGNALS: Final = {
    "SIGINT, SIGTERM": "End in good order, the last rows flushed, also while it starts; a second one ends at once.",
    "SIGHUP": "Read the configuration again: sinks, stage, names, log_level, alerts. Commands that only show end.",
    "SIGUSR1": "Write the state to the log: rows per second, queues, losses, probes. Ignored where there is none.",
}


def manual() -> str:
    """The page, in roff's man macros."""
    parser = build_parser()
    commands = commands_of(parser)
    lines = [
        f'.TH TAILRACE 1 "" "tailrace {VERSION}" "User Commands"',
        *(".SH NAME", _text(f"tailrace - {parser.description or ''}")),
        *(".SH SYNOPSIS", r".B tailrace", r".I COMMAND", r"[\fIOPTION\fR]..."),
        *(".SH DESCRIPTION", _text(_ABOUT)),
        *(".SH COMMANDS", *_terms((each.name, each.text) for each in commands)),
        *(".SH OPTIONS", *_options(options_of(parser))),
    ]
    for each in commands:
        lines += _command(each)
    lines += [".SH EXIT STATUS", *_terms((str(code), text) for code, text in _EXIT.items())]
    lines += [".SH SIGNALS", *_terms(_SIGNALS.items()), ".SH FILES", *_terms(_FILES.items())]
    return "\n".join([*lines, ".SH SEE ALSO", r".BR systemctl (1), journalctl (1)", ""])


def _command(command: Command) -> Iterator[str]:
    yield f'.SH "{command.name.upper()}"'
    yield _text(f"tailrace {command.name}: {command.text}.")
    yield from _options(command.options)


def _options(options: Iterable[Option]) -> Iterator[str]:
    return _terms((_title(each), each.text) for each in options)


def _title(option: Option) -> str:
    names = ", ".join(option.names)
    return f"{names} {option.value}".strip() if names else option.value


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield from (".TP", rf"\fB{_text(term)}\fR", _text(text))


def _text(text: str) -> str:
    """Escaped: a dash is a dash, and no line begins a macro."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    print(manual(), end="")
