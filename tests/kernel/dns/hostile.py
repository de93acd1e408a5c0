"""Packets that nobody sends who means well."""

import random


def hostile(random_: random.Random, wire: bytes) -> bytes:
    """A message with some bytes changed, left out or put in."""
    made = bytearray(wire)
    for _ in range(random_.choice((0, 1, 1, 2, 6))):
        at = random_.randrange(len(made))
        match random_.randrange(4):
            case 0:
                made[at] = random_.choice((0, 0xC0, 0x3F, 0x40, 0xFF, random_.randrange(256)))
            case 1:
                del made[max(at, 1) :]
            case 2:
                made[at:at] = random_.randbytes(random_.randrange(1, 9))
            case _:
                made[at : at + 4] = random_.randbytes(4)
    return bytes(made)
