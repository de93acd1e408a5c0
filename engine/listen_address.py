"""``address:port``, as a configuration says where to listen."""

from typing import Final

_LARGEST_PORT: Final = 65535


def address_and_port(listen: str) -> tuple[str, int]:
    """Both parts; an IPv6 address stands in brackets, which are taken off.

    :raises ValueError: if it is none, with what to write instead.
    """
    address, _, port = listen.rpartition(":")
    if not address or not port.isascii() or not port.isdigit() or int(port) > _LARGEST_PORT:
        raise ValueError(f"{listen!r} is none: write address:port, such as 127.0.0.1:9464 or [::1]:9464")
    return address.removeprefix("[").removesuffix("]"), int(port)
