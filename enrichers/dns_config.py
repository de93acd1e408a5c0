"""Configuration of reverse DNS."""

from typing import Annotated

import msgspec

from model.settings import PluginConfig


class DnsConfig(PluginConfig, frozen=True):
    """Names of hosts that nothing else knows.

    :param reverse: whether the system's resolver is asked for names of addresses.
    :param entries: addresses remembered.
    """

    reverse: bool = False
    entries: Annotated[int, msgspec.Meta(ge=16, le=1 << 22)] = 16384
