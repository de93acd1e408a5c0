"""The book: what happened, who will hear of it, and what is forgotten."""

from dataclasses import replace
from pathlib import Path

from actors.incidents.incidents import Times
from actors.incidents.items import Silence, Tick, Trouble
from actors.incidents.message import Facts, alert_of
from alerts.archive import Archive
from alerts.book import Book
from alerts.journal import Journal
from alerts.routing import Routing, Wishes
from model.alert_filter import AlertFilter

TROUBLE = Trouble("t", "shop/b", "reset", 0.0, 0.5, 0.0, 5, 10, frozenset({"a>b"}))


def book_in(folder: Path) -> tuple[Journal, Book]:
    journal = Journal(folder / "journal")
    routing = Routing({"all": Wishes(), "db": Wishes(AlertFilter("subject:db"))})
    return journal, Book(journal, routing, lambda change: alert_of(change, Facts()), Times())


def test_targets_hear_what_their_filters_choose(tmp_path: Path) -> None:
    _, book = book_in(tmp_path)
    for at in range(30):
        book.tick(Tick(float(at), (TROUBLE,)))
    assert (book.outbox.waiting("all"), book.outbox.waiting("db")) == (1, 0)


def test_silences_and_acknowledgements_outlive_a_restart(tmp_path: Path) -> None:
    journal, book = book_in(tmp_path)
    book.silence(Silence("s", "subject:x", 0.0, 500.0, "deploy", "ada", 0.0))
    for at in range(30):
        book.tick(Tick(float(at), (TROUBLE,)))
    book.acknowledge(next(iter(book.incidents)).key, "ada", 30.0)
    journal.close()
    _, again = book_in(tmp_path)
    assert [silence.id for silence in again.incidents.silences] == ["s"]
    assert [incident.acknowledged_by for incident in again.incidents] == ["ada"]


def test_what_is_over_stays_to_be_read_and_nothing_else(tmp_path: Path) -> None:
    """Once an incident is over for ten minutes and a silence is over, the journal has its story alone."""
    journal, book = book_in(tmp_path)
    book.silence(Silence("s", "subject:x", 0.0, 500.0, "deploy", "ada", 0.0))
    _lived(book, 0, TROUBLE)
    (past,) = book.archive
    assert {name.partition("/")[0] for name, _ in journal.under("")} == {"past", "history"}
    assert (past.state, past.subject, past.edges) == ("resolved", "shop/b", ["a>b"])
    assert [entry.what for entry in book.archive.history(past.key).entries] == ["open", "resolve"]
    journal.close()
    _, again = book_in(tmp_path)
    assert again.archive.find(past.key) == past
    _lived(again, 40 * 86_400, replace(TROUBLE, key="u", edges=frozenset({"c>d"})))
    assert [each.troubles for each in again.archive] == [[]]
    assert again.archive.find(past.key) is None, "it was over for more than a month"


def test_of_incidents_that_were_merged_targets_know_nothing_once_they_were_told(tmp_path: Path) -> None:
    """Their end is sent after they are gone."""
    journal, book = book_in(tmp_path)
    others = [replace(TROUBLE, key=f"t{number}", edges=frozenset({f"c>d{number}"})) for number in range(2)]
    for at in range(60):
        one = replace(TROUBLE, key="t", edges=frozenset().union(*(each.edges for each in others)))
        book.tick(Tick(float(at), (one, *others) if at >= 30 else tuple(others)))
        while letter := book.outbox.due("all", float(at)):
            book.outbox.sent(letter, "receipt", float(at))
    (incident,) = book.incidents
    assert book.incidents.counts["merged"] == 1
    assert [name for name, _ in journal.under("said/")] == [f"said/all/{incident.key}"]


def test_of_those_that_are_over_the_newest_are_kept(tmp_path: Path) -> None:
    journal, book = book_in(tmp_path)
    book.archive = Archive(journal, most=2)
    for number in range(4):
        _lived(
            book, 1000 * number, replace(TROUBLE, key=f"t{number}", subject=f"s{number}", edges=frozenset())
        )
    assert [each.subject for each in book.archive] == ["s2", "s3"]
    assert book.archive.forgotten == 2
    assert len(list(journal.under("history/"))) == 2


def test_who_did_what_is_part_of_the_history(tmp_path: Path) -> None:
    """A long one keeps how it began and its end."""
    _, book = book_in(tmp_path)
    book.silence(Silence("s", "subject:shop/b", 0.0, 500.0, "deploy", "ada", 0.0))
    for at in range(30):
        book.tick(Tick(float(at), (TROUBLE,)))
    (incident,) = book.incidents
    for at in range(200):
        book.acknowledge(incident.key, f"person {at}", 30.0 + at)
    history = book.archive.history(incident.key)
    assert [(entry.what, entry.muted_by) for entry in history.entries[:1]] == [("open", "s")]
    assert [entry.who for entry in history.entries[1:3]] == ["person 0", "person 1"]
    assert history.entries[-1].who == "person 199"
    assert (len(history.entries), history.left_out) == (100, 101)


def _lived(book: Book, begin: int, trouble: Trouble) -> None:
    """Half a minute of trouble, and health until it is put away."""
    for at in range(begin, begin + 1000, 10):
        book.tick(Tick(float(at), (trouble,) if at < begin + 30 else ()))
        while letter := book.outbox.due("all", float(at)):
            book.outbox.sent(letter, "receipt", float(at))
