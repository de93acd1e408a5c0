"""Every kind of wrong report is found, and a right one is called exact."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.kinds.delta import Evidence
from selftest.collect import collect
from selftest.comparison import compare, match
from selftest.report import Report, Tally
from selftest.reported import reported_in_scope
from selftest.truth import End
from tests.unit.selftest.synthetic import (
    ADOPTED,
    CLIENT,
    DATAGRAMS,
    HOST,
    LOSSY,
    OWN,
    REFUSED,
    RIGHT,
    SERVER,
    START_NS,
    batch,
    batches_of,
    row,
    truth_of,
)

SECOND_NS = 1_000_000_000
LEDGER = {"ring": {"dropped": {}}, "queue": {"dropped": {"full": 0}}}


def report_with(end: End, column: str, value: int | bytes) -> Report:
    """The comparison after ``column`` of the one row of ``end`` was set to ``value``."""
    columns = row(end, 0)
    columns[column][0] = value
    return compare(truth_of(end), collect([batch(columns)]), LEDGER)


def test_a_perfect_report_is_exact() -> None:
    """All sockets, all bytes, all owners: exact, without failures."""
    report = compare(truth_of(), collect(batches_of()), LEDGER)
    assert report.exact
    assert report.failures == []
    assert report.sockets == Tally(made=5, right=5)
    assert (report.tx.made, report.tx.reported, report.tx.difference) == (5000, 5000, 0)
    assert report.evidence == {"opened": 4, "accepted": 1}
    assert report.aspects["failed connects"] == report.aspects["adopted"] == Tally(made=1, right=1)


def test_datagrams_are_counted_beside_a_connection_of_the_same_tuple() -> None:
    """Each of the two has its own report; one datagram too few is found."""
    truth = truth_of(CLIENT, DATAGRAMS)
    rows = [batch(row(end, slot), seq=slot) for slot, end in enumerate(truth.ends)]
    report = compare(truth, collect(rows), LEDGER)
    assert report.exact
    assert report.aspects["datagrams"] == Tally(made=1, right=1)
    (failure,) = report_with(DATAGRAMS, "rx_segments", 5).failures
    assert (failure.aspect, failure.expected, failure.reported) == (
        "datagrams",
        "4 sent, 6 received",
        "4 sent, 5 received",
    )


def test_where_udp_is_not_seen_none_is_missed() -> None:
    """The rest is compared."""
    report = compare(truth_of(CLIENT, DATAGRAMS).without_datagrams(), collect(batches_of(CLIENT)), LEDGER)
    assert report.exact
    assert (report.sockets.made, report.aspects["datagrams"].made) == (1, 0)


def test_nothing_made_is_not_exact() -> None:
    """A self-test that made no traffic has proved nothing."""
    truth = truth_of()
    truth.ends = []
    assert not compare(truth, collect([]), LEDGER).exact


@pytest.mark.parametrize(
    ("end", "column", "value", "aspect", "expected", "reported"),
    [
        (CLIENT, "tx_bytes", 1001, "tx bytes", "1000", "1001"),
        (CLIENT, "rx_bytes", 1999, "rx bytes", "2000", "1999"),
        (ADOPTED, "tx_bytes", 1077, "tx bytes", "1000", "1077"),
        (REFUSED, "error.errno", 110, "failed connects", "failed 1, errno 111", "failed 1, errno 110"),
        (CLIENT, "error.errno", 104, "errors", "errno 0", "errno 104"),
        (CLIENT, "connection.close_reason", 3, "close reasons", "fin_sent", "rst_sent"),
        (CLIENT, "connection.closed", 0, "life", "opened 1, closed 1", "opened 1, closed 0"),
        (CLIENT, "connection.opened", 2, "life", "opened 1, closed 1", "opened 2, closed 1"),
        (CLIENT, "connection.adopted", 1, "life", "opened 1, closed 1", "opened 1, closed 1, adopted"),
        (ADOPTED, "connection.adopted", 0, "adopted", "adopted", "not adopted"),
        (SERVER, "connection.role", 1, "roles", "server", "client"),
        (
            LOSSY,
            "retransmitted_segments",
            2,
            "retransmits",
            "3 segments of 4000 bytes",
            "2 segments of 4000 bytes",
        ),
    ],
)
def test_one_wrong_column_is_one_finding(
    end: End, column: str, value: int, aspect: str, expected: str, reported: str
) -> None:
    """A single wrong value of a row is found, named, and makes the report inexact."""
    report = report_with(end, column, value)
    assert not report.exact
    found = [failure for failure in report.failures if failure.aspect == aspect]
    assert [(failure.expected, failure.reported) for failure in found] == [(expected, reported)]
    assert report.aspects[aspect] == Tally(made=1, wrong=1)
    assert report.sockets == Tally(made=1, wrong=1)


@pytest.mark.parametrize(("column", "value"), [("process.pid", 9), ("process.comm", b"sh"), ("user.id", 5)])
def test_a_wrong_owner_is_found_with_its_evidence(column: str, value: int | bytes) -> None:
    """Process, name and user must all be right; the failure says how the owner was learnt."""
    report = report_with(CLIENT, column, value)
    assert report.aspects["owners"] == Tally(made=1, wrong=1)
    assert report.failures[0].expected == "pid 101 (short-client) of user 0"
    assert report.failures[0].reported.endswith(" as opened")
    assert not report.exact


@pytest.mark.parametrize(("column", "value"), [("process.pid", 0), ("owner.evidence", Evidence.NONE)])
def test_no_owner_is_missing_not_wrong(column: str, value: int) -> None:
    """A socket without an owner is counted apart from one with a wrong owner."""
    columns = row(CLIENT, 0)
    columns["process.comm"][0] = b""
    columns[column][0] = value
    report = compare(truth_of(CLIENT), collect([batch(columns)]), LEDGER)
    assert report.aspects["owners"] == Tally(made=1, missing=1)


def test_a_missing_socket_is_found_with_its_bytes() -> None:
    """What was made and not reported is missing in every aspect, and its bytes are a difference."""
    report = compare(truth_of(CLIENT, SERVER), collect(batches_of(CLIENT)), LEDGER)
    assert report.sockets == Tally(made=2, right=1, missing=1)
    assert (report.tx.difference, report.rx.difference) == (2000, 1000)
    assert report.failures[0].expected == "one of short-server (102), 2000 bytes sent, 1000 received"
    assert not report.exact


@pytest.mark.parametrize(
    ("changes", "phantoms"),
    [
        ({"netns": OWN, "local_port": 1, "peer_port": 2}, 1),
        ({"netns": OWN, "local_port": 1, "peer_port": 2, "pid": 999}, 1),
        ({"peer_port": 9000, "local_port": 5, "pid": SERVER.pid}, 1),
        ({"peer_port": 80}, 0),
        ({"local_address": RIGHT}, 0),
        ({"netns": OWN + 1}, 0),
    ],
)
def test_phantoms_are_looked_for_on_in_scope_only(changes: dict[str, int], phantoms: int) -> None:
    """Of connections on the host only those with our ports are ours; of our namespaces all are."""
    stranger = replace(CLIENT, **changes)  # type: ignore[arg-type]  # of the fields' types, above
    report = compare(truth_of(SERVER), collect(batches_of(SERVER, stranger)), LEDGER)
    assert report.phantoms == phantoms
    assert report.exact is (phantoms == 0)
    assert report.tx.difference == phantoms * 1000


def test_what_others_call_on_our_ports_is_not_ours() -> None:
    """A process of somebody else calls our listener, whose end nobody else accepts, and others use one of our port
    numbers among themselves: neither is a phantom, and none of their bytes is counted."""
    scanner = replace(CLIENT, local_port=50_000, pid=999, comm="scanner")
    scanned = replace(SERVER, peer_port=50_000)
    theirs = replace(CLIENT, local_port=9000, peer_port=8000, pid=999, comm="curl")
    served = replace(SERVER, local_port=8000, peer_port=9000, pid=998, comm="nginx")
    reported = batches_of(CLIENT, SERVER, scanner, scanned, theirs, served)
    report = compare(truth_of(CLIENT, SERVER), collect(reported), LEDGER)
    assert report.exact
    assert (report.sockets, report.phantoms, report.tx.difference) == (Tally(made=2, right=2), 0, 0)


def test_a_phantom_is_ours_where_nobody_else_called_it() -> None:
    """An end at our listener whose caller is not reported, or has no owner, or is ours."""
    alone = replace(SERVER, peer_port=50_000)
    unowned = replace(CLIENT, local_port=50_000, pid=0, comm="")
    ours = replace(CLIENT, local_port=50_000)
    for others in ([alone], [alone, unowned], [alone, ours]):
        report = compare(truth_of(CLIENT, SERVER), collect(batches_of(CLIENT, SERVER, *others)), LEDGER)
        assert report.phantoms == len(others)


def test_the_same_socket_reported_twice_is_a_phantom() -> None:
    """Two sockets with the addresses of one that was made: one right, one too many."""
    report = compare(truth_of(CLIENT), collect(batches_of(CLIENT, CLIENT)), LEDGER)
    assert (report.sockets.right, report.phantoms) == (1, 1)


def reused(times: int) -> list[End]:
    """One client after the other with the same addresses and different bytes."""
    return [replace(CLIENT, opened_at_ns=START_NS + n * SECOND_NS, tx_bytes=n) for n in range(times)]


def test_reused_addresses_are_matched_in_order_of_time() -> None:
    """The order of the reports does not matter, nor that of the truth."""
    ends = reused(4)
    assert compare(truth_of(*reversed(ends)), collect(batches_of(*ends)), LEDGER).exact


@given(st.sets(st.integers(0, 6)))
def test_a_gap_in_reused_addresses_does_not_shift_the_others(absent: set[int]) -> None:
    """Whichever of seven sockets with the same addresses are missing, the others are still right."""
    ends = reused(7)
    kept = [end for number, end in enumerate(ends) if number not in absent]
    sockets = collect(batches_of(*kept) if kept else [])
    assert compare(truth_of(*ends), sockets, LEDGER).sockets == Tally(7, len(kept), 0, len(absent))


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=5), st.data())
def test_the_difference_is_what_each_socket_is_off(counts: list[int], data: st.DataObject) -> None:
    """Errors in opposite directions do not cancel out."""
    ends = [replace(CLIENT, local_port=port + 1, tx_bytes=count) for port, count in enumerate(counts)]
    errors = [data.draw(st.integers(-count, 1 << 20)) for count in counts]
    wrong = [replace(end, tx_bytes=end.tx_bytes + error) for end, error in zip(ends, errors, strict=True)]
    report = compare(truth_of(*ends), collect(batches_of(*wrong)), LEDGER)
    assert report.tx.difference == sum(map(abs, errors))
    assert report.exact is not any(errors)


def test_a_loss_in_the_ledger_is_not_exact() -> None:
    """A perfect report with something dropped on the way was luck."""
    ledger = {"ring": {"dropped": {"full": 2}}, "slots": {"dropped": {"none": 1}}}
    report = compare(truth_of(), collect(batches_of()), ledger)
    assert (report.lost, report.exact) == (3, False)


def test_at_most_twenty_failures_are_shown_and_of_every_kind() -> None:
    """Forty times the same finding do not hide the one that differs."""
    ends = [replace(CLIENT, local_port=port) for port in range(1, 41)]
    report = compare(truth_of(*ends, REFUSED), collect([]), LEDGER)
    assert (len(report.failures), report.failures_total) == (20, 41)
    assert report.failures[1].kind == "refused"
    assert "- and 21 more" in report.as_text()


def test_the_ends_on_the_host_are_known_by_port() -> None:
    """A column of another machine's rows is cut down to our ground before any row becomes an object."""
    columns = collect(batches_of(CLIENT, replace(CLIENT, netns=HOST, peer_port=1)))
    assert [seen.peer_port for seen in reported_in_scope(truth_of(CLIENT), columns)] == [9000]
    assert columns["socket.slot"].dtype == np.uint32


def test_match_leaves_strangers_alone() -> None:
    """An end and a report with different addresses are two lonely halves."""
    truth = truth_of(CLIENT)
    reported = reported_in_scope(truth, collect(batches_of(replace(SERVER, pid=CLIENT.pid))))
    assert list(match(truth.ends, reported)) == [(CLIENT, None), (None, reported[0])]
