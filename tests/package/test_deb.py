"""The package: its bytes, its size, and its life on a bare Debian, from the installation to the purge."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.package.conftest import LIMIT, ROOT, Made
from tests.systemd.boot import reason_to_skip

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(2 * LIMIT)]


def sums(folder: Path) -> dict[str, str]:
    """The files of a folder with what is in them; where a link leads to."""
    return {
        str(file.relative_to(folder)): str(file.readlink())
        if file.is_symlink()
        else hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if not file.is_dir()
    }


def commands_of_the_readme() -> list[str]:
    """Those that install and start the service, for root."""
    block = re.search(r"## As a service\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines = [line.partition(" #")[0].strip() for line in block[1].splitlines()]
    assert len(lines) <= 5
    assert lines[0].startswith("make deb && sudo apt install ./dist/")
    return [lines[0].removeprefix("make deb && sudo "), lines[1].removeprefix("sudo ")]


@pytest.fixture(scope="session")
def life(made: Made, unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``bare_debian.sh`` noted: installed, started, upgraded, removed and purged, in a booted bare Debian."""
    if reason := reason_to_skip():
        pytest.skip(reason)
    packages, out = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("life")
    (packages / "dist").mkdir()
    shutil.copy(made.package, packages / "dist")
    for name, command in zip(("install", "enable"), commands_of_the_readme(), strict=True):
        (packages / name).write_text(f"{command}\n")
    later = shutil.copytree(unpacked, tmp_path_factory.mktemp("later") / "root", symlinks=True)
    control = later / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", r"\g<0>+later", control.read_text()))
    build = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(later), str(packages / "later.deb")]
    subprocess.run(build, check=True, capture_output=True)
    boot = [sys.executable, str(ROOT / "tests/systemd/boot.py"), str(made.debian), str(out), "400"]
    script = "/guest/bare_debian.sh"
    seen = {packages: "/packages", ROOT / "tests/systemd/guest": "/guest", ROOT / "scripts": "/scripts"}
    seen[made.installed] = "/installed"
    binds = [f"--bind={source}:{target}" for source, target in seen.items()]
    done = subprocess.run([*boot, *binds, "--", "/bin/sh", script], check=False)
    assert done.returncode == 0, (out / "printed").read_text()
    return {line["name"]: line["fact"] for line in map(json.loads, (out / "facts").read_text().splitlines())}


def test_the_same_checkout_gives_the_same_bytes(made: Made) -> None:
    """Built twice, at the same time and in different folders."""
    one, two = (
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.deb")}
        for folder in (made.first, made.second)
    )
    assert one == two
    assert len(one) == 1


def test_make_install_lays_the_same_files_elsewhere(made: Made, unpacked: Path) -> None:
    """The same environment, units, pages and completions, but for the path that some of them name."""
    package, local = sums(unpacked / "usr"), sums(made.installed / "usr/local")
    names = {name for name in package if not name.startswith("share/doc/")}
    assert set(local) - {"lib/tailrace/files"} == names
    differing = {name for name in names if package[name] != local[name]}
    allowed = r"lib/systemd/system/|lib/tailrace/bin/tailrace$|.*\.pyc$"  # compiled code names its source
    assert [name for name in differing if not re.match(allowed, name)] == []
    assert sums(unpacked / "etc") == sums(made.installed / "etc")
    unit = (made.installed / "usr/local/lib/systemd/system/tailrace.service").read_text()
    assert "ExecStart=/usr/local/bin/tailrace run" in unit


def test_make_uninstall_takes_all_of_it_away_but_the_configuration(made: Made, tmp_path: Path) -> None:
    """And says so."""
    copy = shutil.copytree(made.installed, tmp_path / "installed", symlinks=True)
    command = ["make", "--silent", "uninstall", f"DESTDIR={copy}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(sums(copy)) == ["etc/tailrace/engine.yaml", "etc/tailrace/tailrace.yaml"]
    assert "/etc/tailrace" in done.stdout


def test_the_package_has_no_test_tools_and_says_its_size(unpacked: Path) -> None:
    """170 MB are the bar, 69 of them DuckDB; docs/service.md says what takes most."""
    control = dict(
        line.split(": ", 1) for line in (unpacked / "DEBIAN/control").read_text().splitlines() if ": " in line
    )
    assert int(control["Installed-Size"]) * 1024 <= 170_000_000
    packages = {path.name for path in unpacked.glob("usr/lib/tailrace/lib/python3.*/site-packages/*")}
    assert {"tailrace", "numpy"} <= packages
    assert not packages & {"pytest", "mypy", "hypothesis", "ruff", "pip"}


def test_installing_starts_nothing_and_says_in_two_lines_what_to_do_next(life: dict[str, Any]) -> None:
    """The second command starts it; rows come."""
    assert life["said"].count("\n") == 1
    assert "systemctl enable --now tailrace" in life["said"]
    assert life["after installing"] == "inactive"
    assert life["after starting"] == "active"
    assert int(life["rows"]) > 0
    print(f"from the bare Debian to the first rows: {life['seconds']} s")


def test_the_command_its_page_and_its_completion_are_there(life: dict[str, Any], unpacked: Path) -> None:
    assert life["version"].startswith("tailrace ")
    for name in (
        "man/man1/tailrace.1.gz",
        "bash-completion/completions/tailrace",
        "zsh/vendor-completions/_tailrace",
        "fish/vendor_completions.d/tailrace.fish",
    ):
        assert (unpacked / "usr/share" / name).stat().st_size > 500, name


def test_an_upgrade_keeps_the_configuration_and_restarts_what_runs(life: dict[str, Any]) -> None:
    assert life["upgraded version"].endswith("+later")
    assert life["upgraded configuration"] == "kept"
    assert life["upgraded unit"] == "active"
    assert life["upgraded process"] == "another"


def test_removing_keeps_the_configuration_and_purging_leaves_nothing(life: dict[str, Any]) -> None:
    """No file and no user; the journal and the logs of dpkg aside."""
    assert life["removed unit"] == "inactive"
    assert life["removed configuration"] == "kept"
    assert life["left"] == ""
    assert life["users"] == ""


def test_what_make_install_lays_out_runs_and_make_uninstall_ends_it(life: dict[str, Any]) -> None:
    """Configuration, rows and state stay, and nothing else."""
    assert (life["local unit"], life["local command"]) == ("active", "/usr/local/bin/tailrace")
    assert life["local unit at the end"] == "inactive"
    left = life["local left"].split()
    kept = ("/etc/tailrace", "/var/log/tailrace", "/var/lib/tailrace")
    assert [path for path in left if not path.startswith(kept)] == []
    assert "/etc/tailrace/tailrace.yaml" in left
