"""Numbers as people read them: two or three digits and a decimal (SI) unit."""

from typing import Final

_DECIMAL: Final = ("", "k", "M", "G", "T", "P", "E")
_DURATION: Final = (("ns", 1000), ("us", 1000), ("ms", 1000), ("s", 60), ("m", 60), ("h", 1000))


def short_number(value: float) -> str:
    """``value`` in at most four characters: 0, 999, 1.2k, 45M."""
    for prefix in _DECIMAL[:-1]:
        if value < 999.5:
            return _digits(value, whole=not prefix) + prefix
        value /= 1000
    return _digits(value) + _DECIMAL[-1]


def bytes_text(value: float) -> str:
    """Bytes with their unit: ``0 B``, ``1.2 kB``, ``45 MB``."""
    number = short_number(value)
    digits = number.rstrip("kMGTPE")
    return f"{digits} {number[len(digits) :]}B"


def rate_text(bytes_per_second: float) -> str:
    """Bytes per second: ``1.2 MB/s``."""
    return bytes_text(bytes_per_second) + "/s"


def rate_word(bytes_per_second: float) -> str:
    """The same without a blank: ``1.2MB/s``."""
    return rate_text(bytes_per_second).replace(" ", "")


def duration_text(ns: float) -> str:
    """Nanoseconds in the unit that fits: ``85us``, ``1.2ms``, ``12s``; five characters at most."""
    value = ns
    for unit, size in _DURATION[:-1]:
        if value < size - 0.5:
            return _digits(value, whole=unit == "ns") + unit
        value /= size
    return _digits(value) + _DURATION[-1][0]


def _digits(value: float, *, whole: bool = False) -> str:
    """Two significant digits below ten, else no decimals."""
    return f"{value:.0f}" if whole or value >= 9.95 else f"{value:.1f}"
