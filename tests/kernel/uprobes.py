"""The files in which a process holds probes, as the kernel tells of its descriptors."""

import contextlib
import subprocess
from pathlib import Path


def probed_files(process: int) -> list[str]:
    """The file of each: of links, and of perf events, which are on kernels without those."""
    found = []
    for entry in Path(f"/proc/{process}/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            lines = dict(line.split(":\t", 1) for line in entry.read_text().splitlines() if ":\t" in line)
            if lines.get("link_type") == "uprobe_multi":
                found.append(lines.get("path", ""))
    return found or _of_perf_events(process)


def _of_perf_events(process: int) -> list[str]:
    listed = subprocess.run(["bpftool", "perf", "show"], check=True, capture_output=True, text=True).stdout
    mine = (line for line in listed.splitlines() if line.startswith(f"pid {process} ") and "uprobe" in line)
    return [line.split("filename ", 1)[-1].split()[0] for line in mine]
