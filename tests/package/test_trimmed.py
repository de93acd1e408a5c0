"""What the package leaves out of its libraries is not used: tests of what leans on them, run with what is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.package.conftest import LIMIT, ROOT

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(2 * LIMIT)]

#: pytest colours its own output with what the package leaves out of this.
_OF_PYTEST = {"pygments"}
#: Imports every module of ours and prints those that cannot be.
_IMPORT_ALL = """
import importlib, pkgutil
for package in "tailrace model bpf probes actors enrichers sinks alerts store web engine selftest".split():
    for each in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        try:
            each.name.endswith("__main__") or importlib.import_module(each.name)
        except ImportError as error:
            print(each.name, error.name)
"""
#: What leans on the libraries that lost most: the client of Kubernetes, aiohttp, msgpack, yaml, numpy.
LEANING = (
    "tests/integration/kubernetes/test_access.py",
    "tests/integration/kubernetes/test_names.py",
    "tests/contract/sinks/test_sinks.py",
    "tests/integration/test_top.py",
    "tests/integration/test_nats_connection.py",
    "tests/unit/store/segments/test_sums.py",
)


@pytest.fixture(scope="session")
def libraries(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package's libraries, without what is ours."""
    folder = tmp_path_factory.mktemp("libraries")
    others = {path.name for path in ROOT.iterdir()} | _OF_PYTEST
    (packages,) = unpacked.glob("usr/lib/tailrace/lib/python3.*/site-packages")
    for path in packages.iterdir():
        if path.name not in others and not path.name.startswith("tailrace"):
            (folder / path.name).symlink_to(path)
    return folder


def test_every_module_is_imported_by_the_installed_python(unpacked: Path) -> None:
    """Only the suites for plug-ins need more: what they are run with."""
    python = unpacked / "usr/lib/tailrace/bin/python"
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), "-P", "-c", _IMPORT_ALL]
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert done.stdout.split("\n") == ["tailrace.testing pytest", ""]


def test_they_are_imported_from_the_package(libraries: Path) -> None:
    """The tests below would prove nothing with others."""
    script = "import aiohttp, kubernetes_asyncio, numpy, yaml\n"
    script += "print(*(each.__file__ for each in (aiohttp, kubernetes_asyncio, numpy, yaml)))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=_with(libraries), capture_output=True, text=True, check=True
    )
    assert all(path.startswith(str(libraries)) for path in done.stdout.split())


@pytest.mark.parametrize("file", LEANING)
def test_what_is_left_is_enough(libraries: Path, file: str) -> None:
    """For the tests of a file."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    done = subprocess.run(
        command, cwd=ROOT, env=_with(libraries), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]


def _with(libraries: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(libraries), "PYTHONDONTWRITEBYTECODE": "1"}
