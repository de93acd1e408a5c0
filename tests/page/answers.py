"""``python -m tests.page.answers FOLDER``: writes the answers that the tests in node read."""

import json
import sys
from pathlib import Path

from tests.page import fleet


def write(folder: Path) -> None:
    """One file for each fleet."""
    maps = {
        "boutique": fleet.boutique(),
        "compared": fleet.boutique(against=True),
        "requested": fleet.requested(),
        "fan_out": fleet.fan_out(),
        "huge": fleet.huge(),
    }
    for name, data in maps.items():
        (folder / f"{name}.json").write_text(json.dumps(fleet.answer(data)))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
