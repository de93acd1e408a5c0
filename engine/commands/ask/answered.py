"""Asks a store, or a server over HTTP, and prints what it says."""

import argparse
import sys
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.commands.ask.tables import table_text
from engine.commands.over_http import asked
from engine.config import Config
from engine.stored import open_store
from store.queries.questions import QUESTIONS, Answered, Question, ask, parameters_of
from web.answering import FORMS
from web.forms.link import link_of


def print_answer(
    config: Config, name: str, said: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> None:
    """In the form that was asked for.

    :raises TailraceError: if nobody answers, or the answer is a refusal.
    """
    question = QUESTIONS[name]
    words = parameters_of(question, said)
    answered = answer_of(config, name, said, options)
    sys.stdout.write(_text(question, words, answered, options.output, options.server or config.web.address))


def answer_of(
    config: Config, name: str, said: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> Answered:
    """Of the store, or of a server.

    :raises TailraceError: if nobody answers, or the answer is a refusal.
    """
    question = QUESTIONS[name]
    words = parameters_of(question, said)
    if options.server:
        return _answered(question, _over_http(question, said, options))
    store = open_store(config.store, options.store or "")
    try:
        return ask(store, question, words, time.time())
    finally:
        store.close()


def _text(question: Question, words: Any, answered: Answered, form: str, server: str) -> str:
    if form == "table":
        return table_text(question, answered)
    if form == "link":
        return link_of(server, words, answered.period, answered.against) + "\n"
    text = FORMS[form].text(question, answered).decode()
    return text + "\n" if form == "json" else text


def _over_http(question: Question, said: Mapping[str, Sequence[str]], options: argparse.Namespace) -> bytes:
    """The JSON of the answer."""
    words = [(name, text) for name, texts in said.items() for text in texts]
    return asked(options.server, f"{question.name}?{urllib.parse.urlencode(words)}", options.token_file)


def _answered(question: Question, whole: bytes) -> Answered:
    """From JSON back to the types that were written."""
    from store.queries.answers import Ledger, Period

    fields = [("window", Period), ("against", Period | None), ("ledger", Ledger), ("data", question.answer)]
    read: Any = msgspec.json.decode(whole, type=msgspec.defstruct("Whole", fields))
    return Answered(read.window, read.against, read.ledger.gaps, read.data, settled=False)
