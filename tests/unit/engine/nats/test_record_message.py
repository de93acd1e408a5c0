"""Records as NATS messages, and back."""

from hypothesis import given
from hypothesis import strategies as st

from engine.log_record import Record
from engine.nats.api import epoch_ns
from engine.nats.record_message import MESSAGE_ID, from_message, to_message
from engine.transport.nats.reader import _position

RECORDS = st.builds(
    Record,
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(st.text(), st.binary())).map(tuple),
    st.floats(0, 1e10),
)


@given(RECORDS)
def test_a_record_survives_the_way_there_and_back(record: Record) -> None:
    """Key, value, headers and time come back as they were, from headers that hold plain ASCII."""
    payload, headers = to_message(record, "id.1")
    assert headers[MESSAGE_ID] == "id.1"
    assert all(text.isascii() and text.isprintable() for text in headers.values())
    assert from_message(payload, headers, stored_at=5.0) == record


def test_a_plain_message_of_any_program_is_a_record() -> None:
    """Without headers, or with those of others, the payload is the value and the time that of its storing."""
    assert from_message(b"x", None, 5.0) == Record(None, b"x", (), 5.0)
    assert from_message(b"x", {"Trace": "1"}, 5.0) == Record(None, b"x", (), 5.0)


def test_the_position_is_read_with_and_without_a_domain() -> None:
    """Both forms of the reply subject of JetStream tell where a message stands; others tell nothing."""
    plain = _position("$JS.ACK.stream.consumer.1.22.3.1500000000000000000.4")
    domain = _position("$JS.ACK.hub.acc.stream.consumer.1.22.3.1500000000000000000.4.token")
    assert plain == domain
    assert plain is not None
    assert (plain.consumer, plain.offset, plain.delivered, plain.pending) == ("consumer", 22, 3, 4)
    assert plain.stored_ns == 1_500_000_000 * 10**9
    assert _position("_INBOX.abc") is None
    assert _position("") is None


def test_times_of_the_server_are_exact() -> None:
    """To the nanosecond, with as many digits as it writes."""
    assert epoch_ns("1970-01-01T00:00:02.000000001Z") == 2_000_000_001
    assert epoch_ns("1970-01-01T00:00:02.5Z") == 2_500_000_000
    assert epoch_ns("1970-01-01T00:00:02Z") == 2_000_000_000
