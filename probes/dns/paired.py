"""What the kernel put together: records of exchanges, questions that wait, and cells, as what is counted."""

from typing import Final

import numpy as np

from probes.dns.counted import CELL, EVENTS
from probes.dns.exchanges import EXCHANGE, NO_ANSWER
from probes.dns.messages import ADDRESS, Messages
from probes.kernel.layout import enums, rows_where

_FLAGS: Final = enums("dns")["dns_exchange_flag"]
_FURTHER: Final = enums("dns")["dns_exchange_of"]["DNS_OF_ADDRESS"]
_OWN: Final = ("cgroup_id", "program", "tgid", "netns", "resolver", "transport", "role")


def exchanges_of(told: np.ndarray) -> np.ndarray:
    """Exchanges without the records that tell of more addresses of one.

    :param told: ``struct dns_exchange``.
    :return: ``EXCHANGE``.
    """
    further = told["header"]["old_state"] == _FURTHER
    made = _with_addresses(rows_where(told, ~further) if further.any() else told)
    made["answered_ns"][made["rcode"] == NO_ANSWER] = 0
    return made


def addresses_of(told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who was told which address, ``EXCHANGE`` and ``ADDRESS``; shape (n,) each.

    :param told: ``struct dns_exchange``.
    """
    told = rows_where(told, told["address_type"] != 0)
    addresses = np.zeros(len(told), ADDRESS)
    addresses["type"], addresses["ttl"], addresses["address"] = (
        told["address_type"],
        told["ttl"],
        told["address"],
    )
    return _with_addresses(told), addresses


def _with_addresses(told: np.ndarray) -> np.ndarray:
    made = np.zeros(len(told), EXCHANGE)
    _fill(made, told["asked"])
    header = told["header"]
    made["slot"], made["generation"], made["answered_ns"] = (
        header["slot"],
        header["generation"],
        header["at_ns"],
    )
    for name in ("name", "type", "rcode"):
        made[name] = told[name]
    return made


def unanswered(questions: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Questions without an answer.

    :param questions: ``struct dns_question``.
    :param asked: ``struct dns_asked``.
    :return: ``EXCHANGE``.
    """
    made = np.zeros(len(questions), EXCHANGE)
    _fill(made, asked)
    for name in ("slot", "generation", "name", "type"):
        made[name] = questions[name]
    made["rcode"] = NO_ANSWER
    return made


def _fill(made: np.ndarray, asked: np.ndarray) -> None:
    made["asked_ns"] = asked["at_ns"]
    for name in _OWN:
        made[name] = asked[name]
    made["retry"] = asked["flags"] & _FLAGS["DNS_REPEATED"] != 0
    made["truncated"] = asked["flags"] & _FLAGS["DNS_TRUNCATED"] != 0


def receivers_of(records: np.ndarray, messages: Messages) -> np.ndarray:
    """Who was told each address of messages: ``EXCHANGE``, with no more of it than names need.

    :param records: ``struct dns_record``.
    """
    rows = messages.rows[messages.addresses["message"]]
    packets = records[rows["packet"]]
    made = np.zeros(len(rows), EXCHANGE)
    header = packets["header"]
    made["slot"], made["generation"], made["answered_ns"] = (
        header["slot"],
        header["generation"],
        header["at_ns"],
    )
    for name in ("cgroup_id", "program", "tgid", "netns", "resolver"):
        made[name] = packets[name]
    made["name"] = rows["name"]
    return made


def cells_of(keys: np.ndarray, grown: np.ndarray, names: np.ndarray, at_ns: int) -> np.ndarray:
    """What cells of the kernel grew by, as events.

    :param keys: ``struct dns_cell_key``.
    :param grown: ``struct dns_cell``.
    :param names: under which hash the name of each is told.
    :return: ``struct query_cell``.
    """
    cells = np.zeros(len(keys), CELL)
    header = cells["header"]
    header["slot"], header["generation"] = keys["slot"], keys["generation"]
    header["kind"], header["at_ns"] = EVENTS["KIND_QUERIES"], at_ns
    cells["name"] = names
    for name in ("type", "rcode", "transport", "role"):
        cells[name] = keys[name]
    for name in ("netns", "latency_ns", "queries", "retries", "truncated", "buckets"):
        cells[name] = grown[name]
    return cells
