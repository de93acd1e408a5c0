"""What the compiler makes of a source: the maps and programs that the kernel has to be given."""

from dataclasses import dataclass
from typing import Any, Final

import msgpack

#: Changes with what the fields mean.
FORMAT: Final = 1


@dataclass(frozen=True)
class MapShape:
    """How a map is made (bpf(2)).

    :param key_bytes: 0 for stacks, queues and rings.
    :param entries: of a ring its bytes.
    """

    type: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


@dataclass(frozen=True)
class ProgramImage:
    """One program's instructions, of 8 bytes each, in the machine's order.

    :param loads: by the place of an instruction the map whose descriptor it needs.
    :param type_id: of the kernel's type that a program of an iterator or of ``fexit`` is attached to; else 0.
    """

    code: bytes
    loads: dict[int, str]
    type_id: int


@dataclass(frozen=True)
class Image:
    """All of a source's maps and programs, by name."""

    license: str
    maps: dict[str, MapShape]
    programs: dict[str, ProgramImage]


def encoded(image: Image) -> bytes:
    """As the compiler answers it, and as it is kept."""
    return msgpack.packb(  # type: ignore[no-any-return]
        {
            "license": image.license,
            "maps": {name: list(vars(shape).values()) for name, shape in image.maps.items()},
            "programs": {name: vars(program) for name, program in image.programs.items()},
        }
    )


def decoded(packed: bytes) -> Image:
    """The image of what ``encoded`` made.

    :raises ValueError: if it is not whole.
    """
    return image_of(msgpack.unpackb(packed, strict_map_key=False))


def image_of(answer: dict[str, Any]) -> Image:
    """The image that the compiler's answer describes."""
    return Image(
        answer["license"],
        {name: MapShape(*numbers) for name, numbers in answer["maps"].items()},
        {name: ProgramImage(**fields) for name, fields in answer["programs"].items()},
    )
