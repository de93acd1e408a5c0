"""Questions and their answers, put together by sorted keys: what was asked, what came of it, and when.

The kernel does the same for UDP (bpf/dns/pair.h); here are TCP, and what it could not do.
"""

from typing import Final

import numpy as np

from probes.dns.hashes import hashed_columns
from probes.dns.messages import Messages
from probes.kernel.layout import enums

#: In place of a response code.
NO_ANSWER: Final = enums("dns")["dns_rcode"]["RCODE_NO_ANSWER"]
CLIENT, SERVER = 1, 2
#: A question and what came of it.
EXCHANGE: Final = np.dtype(
    [
        ("key", "<u8"),
        ("asked_ns", "<i8"),
        ("answered_ns", "<i8"),
        ("name", "<u8"),
        ("label", "<u8"),
        ("cgroup_id", "<u8"),
        ("program", "<u8"),
        ("slot", "<u4"),
        ("generation", "<u4"),
        ("tgid", "<u4"),
        ("netns", "<u4"),
        ("resolver", "V16"),
        ("type", "<u2"),
        ("rcode", "<u2"),
        ("transport", "u1"),
        ("role", "u1"),
        ("retry", "?"),
        ("truncated", "?"),
        ("search", "?"),
    ]
)
_OWN: Final = ("cgroup_id", "program", "tgid", "netns", "resolver", "transport")


class Exchanges:
    """Questions that wait for their answers.

    :param timeout_ns: after which nobody waits any more.
    :param most: questions that wait at once; of more the oldest are given up, counted in ``forgotten``.
    """

    def __init__(self, timeout_ns: int, most: int) -> None:
        self._timeout_ns = timeout_ns
        self._most = most
        self.waiting = np.zeros(0, EXCHANGE)
        #: Answers whose question was not seen, or that came too late.
        self.unasked = 0
        #: Questions that were given up because too many waited.
        self.forgotten = 0

    def take(self, records: np.ndarray, messages: Messages) -> tuple[np.ndarray, np.ndarray]:
        """Takes packets in, in the order in which they came.

        :return: ``EXCHANGE`` of what has ended, and the place among these of each of ``messages.addresses``, -1
            where its answer is nobody's or no client's.
        """
        rows = messages.rows
        is_answer = rows["is_answer"]
        questions = np.concatenate((self.waiting, _asked(records, rows, ~is_answer)))
        keys = np.concatenate((questions["key"], _keys(records, rows)[is_answer]))
        # where each came: those that waited first
        came = np.concatenate(
            (np.full(len(self.waiting), -1), np.flatnonzero(~is_answer), np.flatnonzero(is_answer))
        )
        order = np.lexsort((came, keys))
        is_question = order < len(questions)
        same = keys[order][1:] == keys[order][:-1]
        paired = np.flatnonzero(is_question[:-1] & ~is_question[1:] & same)
        asked, answers = order[paired], order[paired + 1] - len(questions)
        repeated = order[np.flatnonzero(is_question[:-1] & is_question[1:] & same)]
        self.unasked += int(is_answer.sum()) - len(answers)
        places = np.flatnonzero(is_answer)[answers]
        _fill_answers(questions, asked, records, rows[places])
        self._mark_repeated(questions, repeated)
        ended = np.zeros(len(questions), np.bool_)
        ended[asked] = ended[repeated] = True
        self.waiting = questions[~ended]
        found = np.full(len(rows), -1, np.int64)
        found[places] = (np.cumsum(ended) - 1)[asked]
        done = questions[ended]
        exchange = found[messages.addresses["message"]]
        exchange[done["role"][exchange] != CLIENT if len(done) else slice(None)] = -1
        return done, exchange

    @staticmethod
    def _mark_repeated(questions: np.ndarray, repeated: np.ndarray) -> None:
        """On one socket under one number it is the same question, however soon it comes again."""
        if not len(repeated):
            return
        mine = np.flatnonzero(np.isin(questions["key"], questions["key"][repeated]))
        mine = mine[np.argsort(questions["key"][mine], kind="stable")]
        keys = questions["key"][mine]
        questions["retry"][mine[1:][keys[1:] == keys[:-1]]] = True

    def release(self, sockets: np.ndarray) -> np.ndarray:
        """Ends questions of sockets that are gone.

        :param sockets: slot in the upper half, generation in the lower; shape (n,), uint64.
        :return: ``EXCHANGE`` of them.
        """
        return self._give_up(np.isin(places_of(self.waiting), sockets))

    def expire(self, now_ns: int) -> np.ndarray:
        """Ends questions to which nobody waits for an answer any more, and those that are too many.

        :param now_ns: CLOCK_MONOTONIC.
        :return: ``EXCHANGE`` of them.
        """
        old = self.waiting["asked_ns"] <= now_ns - self._timeout_ns
        surplus = len(self.waiting) - int(old.sum()) - self._most
        if surplus > 0:
            self.forgotten += surplus
            old[np.flatnonzero(~old)[:surplus]] = True
        return self._give_up(old)

    def _give_up(self, which: np.ndarray) -> np.ndarray:
        if not which.any():
            return np.zeros(0, EXCHANGE)
        given_up: np.ndarray = self.waiting[which]
        self.waiting = self.waiting[~which]
        return given_up


def places_of(sockets: np.ndarray) -> np.ndarray:
    """Slot in the upper half, generation in the lower; shape (n,), uint64."""
    found: np.ndarray = sockets["slot"].astype(np.uint64) << np.uint64(32) | sockets["generation"]
    return found


def _keys(records: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A number for what a question and its answer have in common; shape (n,), uint64."""
    of = rows["packet"]
    headers = records["header"]
    ids = rows["id"].astype(np.uint64) << np.uint64(32) | rows["type"].astype(np.uint64) << np.uint64(16)
    ids |= ((records["out"][of] != 0) != rows["is_answer"]).astype(np.uint64) << np.uint64(48)  # who asks
    return hashed_columns(
        places_of(headers)[of], rows["name"], ids | records["peer_port"][of].astype(np.uint64)
    )


def _asked(records: np.ndarray, rows: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The questions among messages, without an answer yet."""
    keys, rows = _keys(records, rows)[which], rows[which]
    of = rows["packet"]
    made = np.zeros(len(rows), EXCHANGE)
    made["key"], made["rcode"] = keys, NO_ANSWER
    headers = records["header"][of]
    made["asked_ns"] = headers["at_ns"]
    for name in ("slot", "generation"):
        made[name] = headers[name]
    for name in _OWN:
        made[name] = records[name][of]
    for name in ("name", "label", "type"):
        made[name] = rows[name]
    made["role"] = np.where(records["out"][of] != 0, CLIENT, SERVER)
    return made


def _fill_answers(questions: np.ndarray, asked: np.ndarray, records: np.ndarray, answers: np.ndarray) -> None:
    """What became of these questions."""
    questions["answered_ns"][asked] = records["header"]["at_ns"][answers["packet"]]
    for name in ("rcode", "truncated"):
        questions[name][asked] = answers[name]
