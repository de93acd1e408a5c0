"""Configuration of the drops probe."""

from typing import Annotated, Literal

import msgspec

#: A reason as the kernel names it, without ``SKB_DROP_REASON_``.
Reason = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]*$")]


class DropsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Packets that the kernel dropped.

    :param enabled: whether they are counted; ``auto``: where the kernel says why it drops packets (Linux 5.17).
    :param rows: kinds of drops (addresses, ports, reason, place) that are told apart at once.
    :param folds: kinds without their addresses: where what is beyond ``rows`` is counted.
    :param new_per_second: kinds that each processor begins to tell apart in a second at most: what a flood costs.
    :param except_reasons: the kernel's names of reasons that are no trouble here, beside those of ``docs/drops.md``.
    :param reasons: the kernel's names of reasons that are counted although they are on that list.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    rows: Annotated[int, msgspec.Meta(ge=64, le=1 << 20)] = 8192
    folds: Annotated[int, msgspec.Meta(ge=64, le=1 << 16)] = 1024
    new_per_second: Annotated[int, msgspec.Meta(ge=10, le=1_000_000)] = 2000
    except_reasons: Annotated[list[Reason], msgspec.Meta(max_length=256)] = []
    reasons: Annotated[list[Reason], msgspec.Meta(max_length=256)] = []

    @property
    def rests(self) -> int:
        """Kinds without ports: of each namespace, reason and place."""
        return 512

    @property
    def cells(self) -> int:
        """Of all kinds."""
        return self.rows + self.folds + self.rests

    @property
    def new_per_turn(self) -> int:
        """The same in the tenth of a second for which the program counts them."""
        return self.new_per_second // 10
