"""Which tests a change touches: ``python -m tests.touched [BASE]`` prints their paths.

``make test-quick`` runs them while one works; what proves a change is ``make test``.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
#: They take minutes each, whatever has changed.
LONG: Final = ("tests/vm/", "tests/package/", "tests/systemd/")
#: Suites of what has many implementations, by the folder of these.
CONTRACTS: Final = {
    "sinks/": "tests/contract/sinks",
    "store/": "tests/contract/store",
    "engine/transport/": "tests/contract/transport",
    "enrichers/": "tests/contract/enrichers",
}
#: Folders with one more for each probe.
PROBES: Final = ("bpf", "probes")


def changed(base: str) -> list[str]:
    """Files that differ from where this branch left ``base``, also those that git does not know yet."""
    common = _git("merge-base", base, "HEAD")[0]
    return [*_git("diff", "--name-only", common), *_git("ls-files", "--others", "--exclude-standard")]


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def touched(files: Iterable[str], exists: Callable[[str], bool], kernel_tests: Iterable[str]) -> list[str]:
    """Paths for pytest, sorted; none within another.

    :param exists: whether there is such a file or folder.
    :param kernel_tests: names of the files in tests/kernel.
    """
    names = list(kernel_tests)
    wanted = {test for file in files for test in _tests_of(file, exists, names)}
    return sorted(one for one in wanted if not any(one.startswith(f"{other}/") for other in wanted))


def _tests_of(file: str, exists: Callable[[str], bool], kernel_tests: list[str]) -> Iterator[str]:
    parts = file.split("/")
    if parts[0] == "tests":
        if parts[-1].startswith("test_") and exists(file) and not file.startswith(LONG):
            yield file
        return
    if file.endswith(".md"):
        yield "tests/unit/docs"
    yield from (suite for folder, suite in CONTRACTS.items() if file.startswith(folder))
    for depth in range(len(parts) - 1, 0, -1):  # the nearest folder that mirrors the file's
        if exists(folder := "/".join(["tests/unit", *parts[:depth]])):
            yield folder
            break
    if parts[0] in PROBES and len(parts) > 2:
        begin = f"test_{parts[1]}"
        yield from (f"tests/kernel/{name}" for name in kernel_tests if name.startswith(begin))


def main() -> None:
    """Prints them, on one line."""
    base = sys.argv[1] if len(sys.argv) > 1 else "main"
    names = [path.name for path in (ROOT / "tests/kernel").glob("test_*.py")]
    print(*touched(changed(base), lambda path: (ROOT / path).exists(), names))


if __name__ == "__main__":
    main()
