"""The report for people and for programs."""

import json

from selftest.collect import collect
from selftest.comparison import compare
from tests.unit.selftest.synthetic import CLIENT, SERVER, batches_of, truth_of


def test_the_verdict_is_the_last_line() -> None:
    """Whoever reads only one line reads the outcome."""
    report = compare(truth_of(), collect(batches_of()), {})
    assert report.as_text().splitlines()[-1] == "EXACT: 5 sockets and 12000 bytes, all as they were"


def test_the_text_aligns_its_numbers() -> None:
    """Numbers of a column end in the same place, thousands apart."""
    lines = compare(truth_of(), collect(batches_of()), {}).as_text().splitlines()
    assert lines[0] == "                 made  right  wrong  missing"
    assert lines[1] == "sockets             5      5      0        0"
    assert "tx     5,000     5,000           0" in lines


def test_failures_say_what_was_expected_and_what_was_reported() -> None:
    """A finding names the kind, the connection, the aspect and both values."""
    report = compare(truth_of(CLIENT, SERVER), collect(batches_of(CLIENT)), {})
    expected = (
        "- short 127.0.0.1:9000 → 127.0.0.1:40000: socket: "
        "expected one of short-server (102), 2000 bytes sent, 1000 received, reported none"
    )
    assert expected in report.as_text()
    assert report.verdict == "NOT EXACT: 1 findings, 0 lost according to the ledger"


def test_the_dictionary_is_json() -> None:
    """Programs get the same facts."""
    told = json.loads(
        json.dumps(compare(truth_of(CLIENT, SERVER), collect(batches_of(CLIENT)), {}).as_dict())
    )
    assert told["exact"] is False
    assert told["sockets"] == {"made": 2, "right": 1, "wrong": 0, "missing": 1}
    assert told["tx"] == {"made": 3000, "reported": 1000, "difference": 2000}
    assert told["failures"][0]["aspect"] == "socket"
