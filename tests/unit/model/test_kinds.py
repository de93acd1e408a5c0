"""The registry of row kinds: those of this program, and those that other packages declare."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import model.kinds
from model.batch import Batch
from model.column import Column
from model.errors import UsageError
from model.kind import Kind, own_subject
from model.kinds import DECLARED, forget, kind_named, kinds, public_named, register
from model.kinds.flow import FLOW

PING = Kind("ping", "pings", (Column("hops", "<u1"),), subject=own_subject("pings"))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Entry points of packages, as the interpreter would find them."""
    entries: list[Any] = []
    monkeypatch.setattr(model.kinds, "entry_points", lambda group: entries)
    model.kinds._load.cache_clear()
    yield entries
    model.kinds._load.cache_clear()
    forget(PING)


def entry(kind: object) -> Any:
    def load() -> object:
        if isinstance(kind, Exception):
            raise kind
        return kind

    return SimpleNamespace(name="ping", dist=SimpleNamespace(name="pinger"), load=load)


def test_kinds_are_found_by_name_and_plural() -> None:
    """The ledger too, which is no kind of rows."""
    assert [kind_named(name) for name in ("flow", "flows")] == [FLOW, FLOW]
    assert kind_named("ledger") is DECLARED[-1]
    assert kind_named("weather") is None
    assert [kind.name for kind in kinds()] == [
        *("flow", "workload", "endpoint", "request", "query", "listener", "drop", "delta"),
    ]


def test_other_packages_declare_kinds(installed: list[Any]) -> None:
    """By an entry point; they come after those of this program."""
    installed.append(entry(PING))
    assert list(kinds())[-1] is PING
    assert kind_named("pings") is PING


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ImportError("no module named 'scapy'"), "ImportError: no module named 'scapy'"),
        (object, "ValueError: <class 'object'> is no Kind"),
        (Kind("flow", "pings", ()), "there is a kind flow (flows) already"),
        (Kind("ping", "deltas", ()), "there is a kind delta (deltas) already"),
    ],
    ids=["import", "type", "name", "plural"],
)
def test_one_that_cannot_be_used_is_named(installed: list[Any], kind: object, reason: str) -> None:
    """With its package, and what to do."""
    installed.append(entry(kind))
    with pytest.raises(UsageError) as caught:
        kinds()
    assert "the kind ping of the package pinger cannot be used" in str(caught.value)
    assert reason in str(caught.value)
    assert "repair or remove pinger" in str(caught.value)


def test_the_same_kind_may_register_again() -> None:
    """Two modules of one package may both do so."""
    assert register(PING) is register(PING)
    forget(PING)
    assert kind_named("ping") is None


def test_names_of_a_kind_differ() -> None:
    """Two columns of one name, or one that is a key of messages, would hide each other."""
    with pytest.raises(ValueError, match="kind ping: columns of the same name: hops"):
        Kind("ping", "pings", (Column("hops", "<u1"), Column("hops", "<u2")))
    with pytest.raises(ValueError, match="kind ping: keys of a message of the same name: window"):
        Kind("ping", "pings", (), head={"window": 0})


def test_public_rows_have_a_subject_even_if_nobody_declared_them() -> None:
    """So that whoever observes needs no plug-in; deltas are not published."""
    public = public_named("weathers")
    assert public is not None
    assert (public.subject, public.stream) == ("tailrace.rows.weathers", "tailrace_rows_weathers")
    assert PING.public is not None
    assert PING.public[2:] == ("tailrace.rows.pings", "tailrace_rows_pings")
    assert public_named("deltas") is None


def test_an_empty_batch_is_complete() -> None:
    """Tables and head that are not given have what the kind says."""
    batch = Batch(FLOW, "n", "b", 0, 1, FLOW.empty())
    assert set(batch.tables) == set(FLOW.tables)
    assert (len(batch), batch.last) == (0, True)
