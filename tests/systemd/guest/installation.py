"""Lays this checkout out as the package does, in a root that is thrown away."""

import subprocess
import sys
from pathlib import Path
from typing import Final

HOME: Final = Path("/usr/lib/tailrace")
#: Where the checkout is bound to.
CHECKOUT: Final = HOME / "checkout"
#: The enricher ``hang`` holds up the event loop for as long as there is this file.
HANG: Final = Path("/run/hang")
_PYTHON: Final = f"python3.{sys.version_info[1]}"
_HANG: Final = f"""
import time
from pathlib import Path
from tailrace.api import EnricherStatistics, KeyKind, PluginConfig

class Hang:
    Config, name, kinds, version, live = PluginConfig, "hang", frozenset({{KeyKind.PROCESS}}), 0, False

    def __init__(self, config): pass

    async def start(self, node): pass

    async def close(self): pass

    def lookup(self, kind, value, at_ns):
        while Path("{HANG}").exists():
            time.sleep(0.05)

    def statistics(self):
        return EnricherStatistics()
"""


def lay_out() -> None:
    """An environment on the distribution's Python with the checkout in it; command, users, units, configuration."""
    packages = HOME / "lib" / _PYTHON / "site-packages"
    packages.mkdir(parents=True)
    (HOME / "bin").mkdir()
    (HOME / "bin/python").symlink_to("/usr/bin/python3")
    (HOME / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = true\n")
    libraries = CHECKOUT / ".venv/lib" / _PYTHON / "site-packages"
    (packages / "checkout.pth").write_text(f"{CHECKOUT}\nimport site; site.addsitedir({str(libraries)!r})\n")
    _lay_plug_in(packages)
    command = Path("/usr/bin/tailrace")
    command.write_text(f"#!{HOME}/bin/python\nfrom tailrace.__main__ import main\nmain()\n")
    command.chmod(0o755)
    deploy = CHECKOUT / "deploy"
    Path("/etc/tailrace").mkdir()
    for file in deploy.glob("*.yaml"):
        Path("/etc/tailrace", file.name).write_text(file.read_text())
    for unit in deploy.glob("systemd/*.service"):
        Path("/etc/systemd/system", unit.name).write_text(unit.read_text())
    subprocess.run(["systemd-sysusers", deploy / "systemd/tailrace.sysusers"], check=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def _lay_plug_in(packages: Path) -> None:
    (packages / "tailrace_hang.py").write_text(_HANG)
    about = packages / "tailrace_hang-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tailrace-hang\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[tailrace.enrichers]\nhang = tailrace_hang:Hang\n")
