"""Configuration of reverse DNS."""

from typing import Annotated, Final

import msgspec

from model.settings import PluginConfig

Entries = Annotated[int, msgspec.Meta(ge=16, le=1 << 22)]
ENTRIES: Final = 16384


class DnsConfig(PluginConfig, frozen=True):
    """Names of hosts that nothing else knows.

    :param reverse: whether the system's resolver is asked for names of addresses.
    :param entries: addresses remembered.
    """

    reverse: bool = False
    entries: Entries = ENTRIES
