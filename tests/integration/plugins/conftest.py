"""One fresh environment for all tests of plug-ins: Tailrace, the examples, and plug-ins with a fault each."""

import shutil
from pathlib import Path

import pytest

from tests.environment import ROOT, Environment, source_tree
from tests.integration.plugins.faulty import faulty_projects


@pytest.fixture(scope="session")
def tailrace_alone(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Tailrace, and no plug-in of anybody else."""
    folder = tmp_path_factory.mktemp("alone")
    environment = Environment.made(folder / "environment")
    environment.install(source_tree(folder / "source"))
    return environment


@pytest.fixture(scope="session")
def environment(tailrace_alone: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Tailrace with the examples, and with plug-ins that have a fault each."""
    folder = tmp_path_factory.mktemp("plugins")
    environment = tailrace_alone.copied(folder / "environment")
    examples = [ROOT / "examples" / name for name in ("sink-csv", "enricher-racks", "probe-lookups")]
    environment.install(*(_copied(example, folder) for example in examples), *faulty_projects(folder))
    return environment


def _copied(example: Path, folder: Path) -> Path:
    """A build leaves folders behind in its tree."""
    return Path(shutil.copytree(example, folder / example.name))
