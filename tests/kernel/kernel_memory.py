"""What a process's BPF programs hold in the kernel: all bytes of their maps and rings."""

import contextlib
import ctypes
import json
import mmap
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

#: Maps that hold no bytes of anybody: numbers of free places, and programs.
_NO_BYTES: Final = {"stack", "queue", "prog_array"}
_PIDFD_GETFD: Final = 438  # on all machines
_libc = ctypes.CDLL(None, use_errno=True)


def maps_of(process_id: int) -> dict[str, bytes]:
    """By name, keys and values one behind the other; also of maps that only the programs hold."""
    numbers = {number for program in _programs(process_id) for number in program.get("map_ids", ())}
    shown = [json.loads(_bpftool("map", "show", "id", str(number))) for number in sorted(numbers)]
    return {
        one["name"]: _bytes_of(_bpftool("map", "dump", "id", str(one["id"])))
        for one in shown
        if one["type"] not in _NO_BYTES and one["type"] != "ringbuf"
    }


def rings_of(process_id: int) -> list[bytes]:
    """All that is in the memory of each ring, read and unread."""
    rings = []
    with contextlib.closing(_Process(process_id)) as process:
        for number, fields in _descriptors(process_id):
            if fields.get("map_type") == "27":
                size = int(fields["max_entries"])
                with process.borrowed(number) as ring:
                    page = mmap.PAGESIZE
                    with mmap.mmap(ring, page + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page) as memory:
                        rings.append(memory[page:])
    return rings


class _Process:
    """Another process, whose descriptors can be borrowed; pidfd_getfd(2)."""

    def __init__(self, process_id: int) -> None:
        self._descriptor = os.pidfd_open(process_id)

    @contextlib.contextmanager
    def borrowed(self, number: int) -> Iterator[int]:
        """A descriptor for the same thing."""
        ours = _libc.syscall(_PIDFD_GETFD, self._descriptor, number, 0)
        assert ours >= 0, os.strerror(ctypes.get_errno())
        try:
            yield ours
        finally:
            os.close(ours)

    def close(self) -> None:
        os.close(self._descriptor)


def _programs(process_id: int) -> list[dict[str, Any]]:
    numbers = {fields["prog_id"] for _, fields in _descriptors(process_id) if "prog_id" in fields}
    return [json.loads(_bpftool("prog", "show", "id", number)) for number in sorted(numbers)]


def _descriptors(process_id: int) -> Iterator[tuple[int, dict[str, str]]]:
    for path in Path(f"/proc/{process_id}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            lines = [line.split(":", 1) for line in path.read_text().splitlines() if ":" in line]
            yield int(path.name), {name: value.strip() for name, value in lines}


def _bpftool(*arguments: str) -> str:
    command = ["/usr/sbin/bpftool", "-j", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _bytes_of(entries: str) -> bytes:
    """bpftool gives each byte as a text of its own."""
    return bytes.fromhex("".join(re.findall(r'"0x([0-9a-f]{2})"', entries)))
