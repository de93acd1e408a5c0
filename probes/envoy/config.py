"""Configuration of the probe of Envoy."""

from typing import Annotated, Literal

import msgspec


class EnvoyConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Requests that an Envoy passes on, linked to those that it was asked.

    :param enabled: whether they are linked; ``auto``: where an Envoy is found, and its functions in it.
    :param connections: of Envoys that are followed at once; past it those that were used longest ago make room.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    connections: Annotated[int, msgspec.Meta(ge=64, le=1 << 22)] = 16384
