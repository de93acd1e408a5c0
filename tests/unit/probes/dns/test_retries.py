"""Questions that repeat one without an answer, on whatever socket, in whatever second."""

import numpy as np

from model.clock import SECOND_NS
from probes.dns.exchanges import CLIENT, EXCHANGE, NO_ANSWER
from probes.dns.retries import REMEMBERED, Retries

TIMEOUT_NS = 5 * SECOND_NS
NOBODY = np.zeros(0, EXCHANGE)


def asked(at_s: float, answered_s: float = 0, tgid: int = 7, name: int = 99) -> np.ndarray:
    """A question, and when it was answered; 0: never. Shape (1,)."""
    made = np.zeros(1, EXCHANGE)
    made["asked_ns"], made["answered_ns"] = int(at_s * SECOND_NS), int(answered_s * SECOND_NS)
    made["rcode"] = 0 if answered_s else NO_ANSWER
    made["tgid"], made["name"], made["role"], made["type"] = tgid, name, CLIENT, 1
    return made


def new() -> Retries:
    return Retries(TIMEOUT_NS, 1000)


def marked(retries: Retries, now_s: float, *ended: np.ndarray, waiting: np.ndarray = NOBODY) -> list[bool]:
    together = np.concatenate((NOBODY, *ended))
    retries.mark(together, waiting, int(now_s * SECOND_NS))
    found: list[bool] = together["retry"].tolist()
    return found


def test_a_retry_is_known_by_its_process_and_name() -> None:
    retries = new()
    assert marked(retries, 2, asked(1)) == [False]
    assert marked(retries, 7, asked(6, 6.1), asked(6, 6.1, tgid=8), asked(6, 6.1, name=98)) == [
        True,
        False,
        False,
    ]


def test_of_several_retries_each_is_one() -> None:
    assert marked(new(), 11, asked(1), asked(4), asked(7, 7.1), asked(10, 10.1)) == [False, True, True, False]


def test_two_threads_that_ask_at_once_do_not_retry() -> None:
    assert marked(new(), 2, asked(1.0, 1.9), asked(1.1, 1.8)) == [False, False]


def test_a_question_that_still_waits_was_repeated() -> None:
    assert marked(new(), 3, asked(2, 2.01), waiting=asked(1)) == [True]


def test_an_answer_that_came_after_the_retry_came_too_late() -> None:
    retries = new()
    assert marked(retries, 2, asked(1, 1.9)) == [False]
    assert marked(retries, 3, asked(1.5, 2.5)) == [True]


def test_asking_again_after_an_answer_is_no_retry() -> None:
    retries = new()
    assert marked(retries, 2, asked(1)) == [False]
    assert marked(retries, 3, asked(2, 2.1)) == [True]
    assert marked(retries, 4, asked(3, 3.1)) == [False]


def test_questions_of_long_ago_are_forgotten() -> None:
    retries, late_s = new(), 1 + REMEMBERED * TIMEOUT_NS / SECOND_NS
    assert marked(retries, 2, asked(1)) == [False]
    assert marked(retries, late_s + 2, asked(late_s + 1, late_s + 1.1)) == [False]
    assert not len(retries._slow)


def test_of_very_many_the_latest_are_remembered() -> None:
    retries = Retries(TIMEOUT_NS, 3)
    assert not any(marked(retries, 2, *(asked(1 + number / 10, name=number) for number in range(5))))
    again = [asked(3, 3.1, name=number) for number in range(5)]
    assert sum(marked(retries, 4, *again)) == 3
