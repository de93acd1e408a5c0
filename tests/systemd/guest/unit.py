"""A unit, asked and told through systemctl, and what it did, noted as facts."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: Seconds after which what is waited for does not come: alone it takes a few, on a busy machine many times that.
DEADLINE: Final = 150.0
OUT: Final = Path("/out")


def until(condition: Callable[[], Any], what: str) -> Any:
    """Looks again and again until ``condition`` is true; what it gives then.

    :raises TimeoutError: if that never happens.
    """
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)
    return found


def note(name: str, fact: Any) -> None:
    """Keeps a fact for the tests outside."""
    file = OUT / "facts.json"
    facts = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(facts | {name: fact}))


class Unit:
    """One of Tailrace's.

    :param name: without ``.service``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def do(self, what: str, *options: str) -> float:
        """``systemctl WHAT``; the seconds that it took.

        :raises subprocess.CalledProcessError: if it fails.
        """
        begin = time.monotonic()
        subprocess.run(["systemctl", what, *options, self.name], check=True)
        return time.monotonic() - begin

    def show(self, name: str) -> str:
        """A property."""
        done = subprocess.run(
            ["systemctl", "show", "--value", "-p", name, self.name],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def settled(self) -> str:
        """Its state once no reload is going on: ``systemctl reload`` returns before the reload is done."""
        return str(
            until(lambda: (state := self.show("ActiveState")) != "reloading" and state, "the reload ends")
        )

    def drop_in(self, *lines: str) -> None:
        """Changes the section ``[Service]``, in place of what this changed before."""
        folder = Path(f"/etc/systemd/system/{self.name}.service.d")
        folder.mkdir(exist_ok=True)
        (folder / "test.conf").write_text("\n".join(["[Service]", *lines, ""]))
        subprocess.run(["systemctl", "daemon-reload"], check=True)

    def again(self, restarts: int) -> None:
        """Waits until it has been started again more often than ``restarts`` times, and is ready."""
        until(lambda: int(self.show("NRestarts")) > restarts, f"{self.name} is started again")
        until(lambda: self.show("ActiveState") == "active", f"{self.name} is ready again")

    def journal(self) -> list[dict[str, Any]]:
        """Its entries, and those of systemd about it."""
        subprocess.run(["journalctl", "--sync"], check=True)
        command = ["journalctl", "-u", self.name, "-o", "json", "--no-pager"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def said(self, text: str) -> dict[str, Any]:
        """The first entry that has ``text`` in it; waits for it."""

        def find() -> dict[str, Any] | None:
            return next((entry for entry in self.journal() if text in str(entry["MESSAGE"])), None)

        found: dict[str, Any] = until(find, f"the journal says {text!r}")
        return found


def rights(unit: Unit) -> list[str]:
    """The user of its process, the capabilities that it holds and can ever hold, and whether it can gain any."""
    status = Path(f"/proc/{unit.show('MainPID')}/status").read_text()
    held = dict(line.split(":\t", 1) for line in status.splitlines())
    owner = subprocess.run(
        ["id", "-nu", held["Uid"].split()[0]], capture_output=True, text=True, check=True
    ).stdout.strip()
    return [owner, held["CapEff"].strip(), held["CapBnd"].strip(), held["NoNewPrivs"].strip()]
