"""Addresses of columns: 16 bytes in network order, IPv4 ones IPv4-mapped."""

import socket

import numpy as np

from model.arrays import Array

_MAPPED = b"\0" * 10 + b"\xff\xff"


def address_text(raw: bytes) -> str:
    """The 16 bytes of an address column as people write them; IPv4-mapped ones as IPv4."""
    if raw[:12] == _MAPPED:
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def address_bytes(text: str) -> bytes:
    """The 16 bytes of what people write.

    :raises OSError: if it is no address.
    """
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return _MAPPED + socket.inet_pton(socket.AF_INET, text)


def loopback(addresses: Array) -> np.ndarray:
    """Which are of 127.0.0.0/8 or ::1: they mean another machine in each network namespace; shape (n,), bool."""
    halves = np.ascontiguousarray(addresses).view(">u8").reshape(-1, 2)
    four = (halves[:, 0] == 0) & (halves[:, 1] >> np.uint64(24) == 0xFFFF7F)
    six = (halves[:, 0] == 0) & (halves[:, 1] == 1)
    found: np.ndarray = four | six
    return found


def is_ipv4(addresses: Array) -> np.ndarray:
    """Which are IPv4-mapped: those that IPv4 carries on the wire, whatever the socket's family; shape (n,), bool."""
    halves = np.ascontiguousarray(addresses).view(">u8").reshape(-1, 2)
    found: np.ndarray = (halves[:, 0] == 0) & (halves[:, 1] >> np.uint64(32) == 0xFFFF)
    return found
