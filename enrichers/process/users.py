"""Names of users: /etc/passwd alone, because asking further (LDAP, SSSD) may take seconds."""

from pathlib import Path
from typing import Final

PASSWD: Final = Path("/etc/passwd")


class Users:
    """Uid → name; passwd(5). ``refresh`` reads the file again if it changed."""

    def __init__(self, path: Path = PASSWD) -> None:
        self._path = path
        self._stamp = (0, 0)
        self._names: dict[int, str] = {}

    def refresh(self) -> None:
        """Reads the file if it is another than before; blocks. One that cannot be read leaves what was known."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._names = dict(_entries(self._path.read_text(errors="replace")))
                self._stamp = stamp
        except OSError:
            return

    def name(self, uid: int) -> str:
        """The first name of a uid, or its digits."""
        return self._names.get(uid, str(uid))


def _entries(text: str) -> list[tuple[int, str]]:
    """In reverse, so that the first name of a uid counts, as in getpwuid(3)."""
    fields = (line.split(":") for line in reversed(text.splitlines()))
    return [(int(parts[2]), parts[0]) for parts in fields if len(parts) > 2 and parts[2].isdecimal()]
