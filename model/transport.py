"""Transports, by the numbers of IANA's registry of protocols."""

from enum import IntEnum


class Transport(IntEnum):
    """What carries a connection."""

    TCP = 6
    UDP = 17


class NetworkType(IntEnum):
    """The version of IP."""

    IPV4 = 4
    IPV6 = 6
