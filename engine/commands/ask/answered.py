"""Asks a store, or a server over HTTP, and prints what it says."""

import argparse
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.commands.ask.tables import table_text
from engine.config import Config
from engine.stored import open_store
from model.errors import TailraceError, UsageError
from store.queries.questions import QUESTIONS, Answered, Question, ask, parameters_of
from web.answering import FORMS
from web.forms.link import link_of

_SECONDS: Final = 60
#: What a server may answer at most.
_MOST_BYTES: Final = 256 << 20


def print_answer(
    config: Config, name: str, said: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> None:
    """In the form that was asked for.

    :raises TailraceError: if nobody answers, or the answer is a refusal.
    """
    question = QUESTIONS[name]
    asked = parameters_of(question, said)
    answered = answer_of(config, name, said, options)
    sys.stdout.write(_text(question, asked, answered, options.output, options.server or _page(config)))


def answer_of(
    config: Config, name: str, said: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> Answered:
    """Of the store, or of a server.

    :raises TailraceError: if nobody answers, or the answer is a refusal.
    """
    question = QUESTIONS[name]
    asked = parameters_of(question, said)
    if options.server:
        return _answered(question, _over_http(question, said, options))
    store = open_store(config.store, options.store or "")
    try:
        return ask(store, question, asked, time.time())
    finally:
        store.close()


def _text(question: Question, asked: Any, answered: Answered, form: str, server: str) -> str:
    if form == "table":
        return table_text(question, answered)
    if form == "link":
        return link_of(server, asked, answered.period, answered.against) + "\n"
    text = FORMS[form].text(question, answered).decode()
    return text + "\n" if form == "json" else text


def _page(config: Config) -> str:
    """Where the page of this machine is."""
    scheme = "https" if config.web.tls_certificate else "http"
    return f"{scheme}://{config.web.listen}"


def _over_http(question: Question, said: Mapping[str, Sequence[str]], options: argparse.Namespace) -> bytes:
    """The JSON of the answer."""
    words = [(name, text) for name, texts in said.items() for text in texts]
    url = f"{options.server.rstrip('/')}/api/v1/{question.name}?{urllib.parse.urlencode(words)}"
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{options.server} is no server", "write --server http://127.0.0.1:8686")
    request = urllib.request.Request(url, headers={"Accept": "application/json"} | _token(options.token_file))
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            body: bytes = response.read(_MOST_BYTES)
            return body
    except urllib.error.HTTPError as error:
        raise _refused(error) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise TailraceError(
            f"{options.server} does not answer ({reason})", "is `tailrace run` or serve there?"
        ) from None


def _token(path: str) -> dict[str, str]:
    if not path:
        return {}
    try:
        return {"Authorization": f"Bearer {Path(path).read_text().strip()}"}
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})", "name the file with the token") from None


def _refused(error: urllib.error.HTTPError) -> TailraceError:
    """As the server says it."""
    try:
        said = msgspec.json.decode(error.read(1 << 20))["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return TailraceError(f"the server answered {error.code}", "is it Tailrace?")
    kind = UsageError if error.code == 400 else TailraceError
    return kind(said["message"], said["hint"])


def _answered(question: Question, whole: bytes) -> Answered:
    """From JSON back to the types that were written."""
    from store.queries.answers import Ledger, Period

    fields = [("window", Period), ("against", Period | None), ("ledger", Ledger), ("data", question.answer)]
    read: Any = msgspec.json.decode(whole, type=msgspec.defstruct("Whole", fields))
    return Answered(read.window, read.against, read.ledger.gaps, read.data, settled=False)
