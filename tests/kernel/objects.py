"""What a process holds in the kernel's BPF tables, by the numbers that the kernel gives its objects.

No map is opened while its owner ends. An array of programs whose last user lets go of it a second time while the
kernel clears it is never freed (kernel: ``prog_array_map_clear`` counts a reference for work that is queued already):
bpftool, which opens all maps of all programs, leaves such arrays behind.
"""

import ctypes
import json
import os
import struct
import subprocess
from pathlib import Path
from typing import Any, Final

KINDS = ("prog", "map", "link")
_SYSCALL: Final = 321 if os.uname().machine == "x86_64" else 280
_PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD = 13, 15
#: Of ``struct bpf_prog_info``: its bytes up to and with the maps; where their count and their numbers' address are.
_INFO_BYTES, _MAP_COUNT_AT, _MAP_IDS_AT = 64, 52, 56
#: BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_NEXT_ID, BPF_LINK_GET_NEXT_ID (kernel: ``enum bpf_cmd``).
_NEXT_ID: Final = {"prog": 11, "map": 12, "link": 31}
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _bpftool(*arguments: str) -> Any:
    command = ["bpftool", "--json", *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return json.loads(said) if said.strip() else []


def held_by(process: int) -> dict[str, set[int]]:
    """Objects behind the descriptors of a process (the kernel's fdinfo), and the maps of its programs."""
    held: dict[str, set[int]] = {kind: set() for kind in KINDS}
    for file in Path(f"/proc/{process}/fdinfo").iterdir():
        try:
            fields = [line.split(":", 1) for line in file.read_text().splitlines() if ":" in line]
        except OSError:  # the descriptor of the listing itself
            continue
        found = {name: value.strip() for name, value in fields}
        for kind in KINDS:
            if f"{kind}_id" in found:
                held[kind].add(int(found[f"{kind}_id"]))
    for program in held["prog"]:
        held["map"] |= _maps_of(program)
    return held


def still_there(held: dict[str, set[int]]) -> dict[str, set[int]]:
    """Which of these objects the kernel has now."""
    return {kind: {number for number in held[kind] if _exists(kind, number)} for kind in KINDS}


def _maps_of(program: int) -> set[int]:
    """The numbers of a program's maps."""
    descriptor = _bpf(_PROG_GET_FD_BY_ID, struct.pack("III", program, 0, 0))[0]
    try:
        count = struct.unpack_from("I", _info(descriptor, 0, 0), _MAP_COUNT_AT)[0]
        numbers = (ctypes.c_uint32 * max(1, count))()
        _info(descriptor, count, ctypes.addressof(numbers))
        return set(numbers[:count])
    finally:
        os.close(descriptor)


def _info(descriptor: int, count: int, numbers: int) -> bytes:
    info = ctypes.create_string_buffer(_INFO_BYTES)
    struct.pack_into("=IQ", info, _MAP_COUNT_AT, count, numbers)
    _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("IIQ", descriptor, _INFO_BYTES, ctypes.addressof(info)))
    return info.raw


def _exists(kind: str, number: int) -> bool:
    try:
        _, attribute = _bpf(_NEXT_ID[kind], struct.pack("III", number - 1, 0, 0))
    except FileNotFoundError:  # none behind the one before it
        return False
    found: int = struct.unpack_from("I", attribute, 4)[0]
    return found == number


def _bpf(command: int, attribute: bytes) -> tuple[int, bytes]:
    held = ctypes.create_string_buffer(attribute, len(attribute))
    result = _libc.syscall(_SYSCALL, command, held, len(attribute))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, held.raw


def map_memory(maps: set[int]) -> dict[str, int]:
    """Bytes of these maps by name, as the kernel counts them."""
    return {entry["name"]: entry["bytes_memlock"] for entry in _bpftool("map", "show") if entry["id"] in maps}
