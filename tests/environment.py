"""A fresh virtual environment with Tailrace as its users install it, offline: what it needs comes from ours."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
#: The top-level packages of Tailrace, as the rules of imports have them.
ROOMS: Final = tuple(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
)
#: Seconds that a command may take.
LIMIT: Final = 120

Done = subprocess.CompletedProcess[str]


class Environment:
    """One at ``path``.

    :param path: where it is, or will be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"
        self.packages = path / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    @classmethod
    def made(cls, path: Path) -> "Environment":
        """A new one, with nothing of ours in it; libraries are looked up in ours, and in the system's."""
        base = Path(sys.base_prefix) / "bin" / "python3"
        _run([base, "-m", "venv", "--system-site-packages", "--without-pip", path])
        made = cls(path)
        ours = sysconfig.get_paths()["purelib"]
        (made.packages / "libraries.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        return made

    def install(self, *projects: Path) -> None:
        """As ``pip install`` does, from folders, without looking for anything else."""
        options = (
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--disable-pip-version-check",
            "--quiet",
        )
        _run([sys.executable, "-m", "pip", "--python", self.python, "install", *options, *projects])

    def copied(self, path: Path) -> "Environment":
        """Another one with the same packages."""
        shutil.copytree(self.path, path, symlinks=True)
        return Environment(path)

    def tailrace(
        self, *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        """The command line of this environment; in ``/`` unless ``cwd`` says where."""
        command: list[str | Path] = [self.python, "-P", "-m", "tailrace", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, cwd=cwd or "/", env=env, check=False
        )

    def pytest(self, folder: Path) -> Done:
        """Its tests, run in this environment and nothing of our tree in sight."""
        command: list[str | Path] = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=folder, check=False)


def source_tree(path: Path) -> Path:
    """A copy of what a build of Tailrace needs: a build leaves folders behind in its tree."""
    for name in ROOMS:
        shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, path / name)
    return path


def write_project(
    path: Path, name: str, modules: Mapping[str, str], plugins: Mapping[str, Mapping[str, str]] | None = None
) -> Path:
    """A project of somebody else, version 1.0.

    :param modules: source by file name; those in a folder make a package.
    :param plugins: targets by name, by group of entry points.
    """
    for file, source in modules.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(source)
    groups = "".join(
        f'[project.entry-points."{group}"]\n'
        + "".join(f'{plugin} = "{target}"\n' for plugin, target in targets.items())
        for group, targets in (plugins or {}).items()
    )
    single = [Path(file).stem for file in modules if "/" not in file]
    packages = sorted({file.split("/")[0] for file in modules if "/" in file})
    (path / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\n{groups}'
        f"[tool.setuptools]\npy-modules = {single}\npackages = {packages}\n"
    )
    return path


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
