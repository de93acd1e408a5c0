"""Numbers, durations and times as people write them."""

import re
from datetime import UTC, datetime
from typing import Final

_NUMBER: Final = re.compile(r"(\d+(?:\.\d+)?)([A-Za-zµ]*)")
_FACTORS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_FACTORS_OF_TWO: Final = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_DURATIONS_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}


def count(text: str) -> int | float:
    """``10``, ``1.5k``, ``20MB``, ``4KiB``.

    :raises ValueError: if it is none.
    """
    found = _NUMBER.fullmatch(text)
    unit = found[2].removesuffix("B") if found else ""
    unit = "k" if unit == "K" else unit
    factor = _FACTORS.get(unit) or _FACTORS_OF_TWO.get(unit)
    if found is None or factor is None:
        raise ValueError(f"{text} is no number: write 10, 1.5k or 20MB")
    return _whole(float(found[1]) * factor) if "." in found[1] else int(found[1]) * factor


def duration_ns(text: str) -> int | float:
    """``20ms``, ``1.5s``, ``10m``; 0 needs no unit.

    :raises ValueError: if it is none.
    """
    found = _NUMBER.fullmatch(text)
    if text == "0":
        return 0
    if found is None or found[2] not in _DURATIONS_NS:
        raise ValueError(f"{text} is no time: write 20ms, 1.5s or 10m")
    return _whole(float(found[1]) * _DURATIONS_NS[found[2]])


def moment(text: str, now: float) -> float:
    """Seconds since the epoch of ``10m`` (before now), ``2026-11-29T14:05``, ``14:05`` (of today) or ``now``.

    Times without a zone are of UTC, as everything that Tailrace prints.

    :raises ValueError: if it is none.
    """
    if text == "now":
        return now
    if _NUMBER.fullmatch(text) and not text.isdecimal():
        return now - duration_ns(text) / 1e9
    try:
        if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text):
            day = datetime.fromtimestamp(now, UTC).date().isoformat()
            text = f"{day}T{text.zfill(5 if text.count(':') == 1 else 8)}"
        elif text.isdecimal() and len(text) > 8:
            return float(text)
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is no time: write 10m, 14:05 or 2026-11-29T14:05:00Z") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number
