"""One encoded message of the node on its way to the bus."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outgoing:
    """One message on its way to the bus.

    :param name: names the message for good: the bus stores it once, however often it is offered.
    :param rows: what is lost with it.
    """

    partition: int
    name: str
    rows: int
    data: bytes
