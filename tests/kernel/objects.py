"""What a process holds in the kernel's BPF tables, by the numbers that the kernel gives its objects."""

import json
import subprocess
from pathlib import Path
from typing import Any

KINDS = ("prog", "map", "link")


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
    for program in _bpftool("prog", "show"):
        if program["id"] in held["prog"]:
            held["map"].update(program.get("map_ids", ()))
    return held


def still_there(held: dict[str, set[int]]) -> dict[str, set[int]]:
    """Which of these objects the kernel has now."""
    now = {kind: {entry["id"] for entry in _bpftool(kind, "show")} for kind in KINDS}
    return {kind: held[kind] & now[kind] for kind in KINDS}


def map_memory(maps: set[int]) -> dict[str, int]:
    """Bytes of these maps by name, as the kernel counts them."""
    return {entry["name"]: entry["bytes_memlock"] for entry in _bpftool("map", "show") if entry["id"] in maps}
