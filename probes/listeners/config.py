"""Configuration of the probe of listening sockets."""

from typing import Annotated, Literal

import msgspec


class ListenersConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Listening TCP sockets: accept queues and what they dropped.

    :param enabled: whether they are looked at once a second; ``auto``: where the kernel offers what is needed.
    :param sockets: that are looked at; what is beyond is counted.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    sockets: Annotated[int, msgspec.Meta(ge=16, le=1 << 20)] = 8192
