"""Questions and answers that belong together, and questions without any."""

import dns.message
import numpy as np

from probes.dns.exchanges import CLIENT, NO_ANSWER, SERVER, Exchanges
from probes.dns.messages import parse
from tests.unit.probes.dns.packets import answer, packets, question, record

MS = 1_000_000
SECOND = 1000 * MS


def pair(exchanges: Exchanges, *records: np.ndarray) -> np.ndarray:
    together = packets(*records)
    return exchanges.take(together, parse(together))[0]


def new() -> Exchanges:
    return Exchanges(5 * SECOND, 1000)


def asks(made: dns.message.Message, at_ns: int, **fields: int) -> np.ndarray:
    return record(made.to_wire(), at_ns=at_ns, **fields)


def test_an_answer_ends_its_question_with_its_latency() -> None:
    asked = question("a.example", number=0)
    (one,) = pair(new(), asks(asked, 10 * MS), asks(answer(asked, ["192.0.2.1"]), 13 * MS, out=False))
    assert (int(one["rcode"]), int(one["answered_ns"] - one["asked_ns"]), int(one["role"])) == (
        0,
        3 * MS,
        CLIENT,
    )


def test_an_answer_may_come_with_packets_of_later() -> None:
    exchanges, asked = new(), question("a.example")
    assert not len(pair(exchanges, asks(asked, 1)))
    assert len(pair(exchanges, asks(answer(asked, rcode="NXDOMAIN"), 2, out=False))) == 1
    assert not len(exchanges.waiting)


def test_names_types_numbers_and_sockets_tell_questions_apart() -> None:
    exchanges = new()
    asked = [
        question("a.example", "A", 1),
        question("a.example", "AAAA", 1),
        question("b.example", "A", 1),
        question("a.example", "A", 2),
    ]
    pair(
        exchanges,
        *(asks(one, 1) for one in asked),
        asks(asked[0], 1, slot=2),
        asks(asked[0], 1, generation=2),
    )
    assert len(exchanges.waiting) == 6
    (done,) = pair(exchanges, asks(answer(asked[0]), 2, out=False, slot=2))
    assert int(done["slot"]) == 2
    assert exchanges.unasked == 0


def test_an_answer_nobody_asked_for_ends_nothing() -> None:
    exchanges, asked = new(), question("a.example")
    pair(exchanges, asks(asked, 1))
    assert not len(pair(exchanges, asks(answer(question("evil.example")), 2, out=False)))
    assert exchanges.unasked == 1
    assert len(exchanges.waiting) == 1


def test_each_end_of_an_exchange_is_its_own() -> None:
    asked = question("a.example")
    replied = answer(asked)
    done = pair(
        new(),
        asks(asked, 1, slot=1),
        asks(asked, 2, slot=9, out=False),
        asks(replied, 3, slot=9, out=True),
        asks(replied, 4, slot=1, out=False),
    )
    assert sorted(zip(done["slot"].tolist(), done["role"].tolist(), strict=True)) == [
        (1, CLIENT),
        (9, SERVER),
    ]


def test_a_question_repeated_on_its_socket_is_a_retry_and_the_first_had_no_answer() -> None:
    asked = question("a.example")
    done = pair(new(), asks(asked, 1), asks(asked, 50 * MS), asks(answer(asked), 60 * MS, out=False))
    assert done["rcode"].tolist() == [NO_ANSWER, 0]
    assert done["retry"].tolist() == [False, True]


def test_questions_time_out() -> None:
    exchanges = new()
    pair(
        exchanges,
        asks(question("a.example", number=1), SECOND),
        asks(question("b.example", number=2), 3 * SECOND),
    )
    (late,) = exchanges.expire(6 * SECOND)
    assert int(late["rcode"]) == NO_ANSWER
    assert int(late["asked_ns"]) == SECOND
    assert len(exchanges.waiting) == 1


def test_of_too_many_questions_the_oldest_are_given_up() -> None:
    exchanges = Exchanges(5 * SECOND, 3)
    pair(exchanges, *(asks(question("a.example", number=number), number) for number in range(5)))
    assert exchanges.expire(6)["asked_ns"].tolist() == [0, 1]
    assert exchanges.forgotten == 2


def test_a_truncated_answer_is_one() -> None:
    asked = question("big.example", "TXT")
    (one,) = pair(new(), asks(asked, 1), asks(answer(asked, truncated=True), 2, out=False))
    assert one["truncated"]
    assert int(one["rcode"]) == 0


def test_addresses_know_their_exchange() -> None:
    exchanges = new()
    first, second = question("a.example", number=1), question("b.example", number=2)
    together = packets(
        asks(first, 1),
        asks(second, 2),
        asks(answer(second, ["192.0.2.2"]), 3, out=False),
        asks(answer(first, ["192.0.2.1"]), 4, out=False),
    )
    messages = parse(together)
    done, places = exchanges.take(together, messages)
    names = {int(row["id"]): int(row["name"]) for row in messages.rows}
    told = {
        bytes(one["address"])[-1]: int(done[place]["name"])
        for one, place in zip(messages.addresses, places, strict=True)
    }
    assert told == {1: names[1], 2: names[2]}
