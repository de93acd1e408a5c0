"""The numbers in columns of flows that stand for words, and who is meant by them."""

from enum import IntEnum
from typing import Final, NamedTuple

CLIENT: Final = "client"
SERVER: Final = "server"
SIDES: Final = (CLIENT, SERVER)


class FlowEvidence(IntEnum):
    """What a flow rests on, the surest last."""

    ADDRESS = 1  # one end reports; the other is the address that it sees
    NAT = 2  # one end reports; the other's address was found behind a rewriting
    SERVER = 3  # the server's end reports; the client's address is one of a node that reports
    CLIENT = 4  # the client's end reports; the server's address is one of a node that reports
    BOTH = 5  # both ends report


class Node(NamedTuple):
    """A node that reports, and the start of Tailrace there: slots and message numbers begin anew with each."""

    name: str
    boot: str


NOWHERE: Final = Node("", "")
