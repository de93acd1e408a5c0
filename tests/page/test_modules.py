"""The modules of the page: their types, their style, and what they do in node."""

import re
from pathlib import Path

import pytest

from tests.environment import Environment, source_tree
from tests.page import answers, node_tools


def test_types_of_the_page_are_right() -> None:
    done = node_tools.types()
    assert done.returncode == 0, done.stdout


def test_a_wrong_type_would_be_found(tmp_path: Path) -> None:
    # The checker reads what its configuration names: an empty list of files would pass, too.
    tool = node_tools.installed() / "node_modules" / "typescript" / "bin" / "tsc"
    listed = node_tools.run(tool, "-p", node_tools.HERE / "tsconfig.json", "--listFilesOnly").stdout
    page = {path.name for path in (node_tools.ROOT / "web" / "page").rglob("*.js")}
    assert page <= {Path(line).name for line in listed.splitlines()}


def test_style_of_the_page_is_kept() -> None:
    done = node_tools.style()
    assert done.returncode == 0, done.stdout


def test_modules_do_in_node_what_they_say(tmp_path: Path) -> None:
    answers.write(tmp_path)
    files = sorted((node_tools.HERE / "unit").glob("*.test.mjs"))
    done = node_tools.run("--test", *files, ANSWERS=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "fail 0" in done.stdout


@pytest.mark.parametrize("name", ["index.html", "incidents.html", "incident.html"])
def test_all_modules_of_a_page_are_asked_for_at_once(name: str) -> None:
    # Each import that is found only in another module's text costs a round trip.
    page = node_tools.ROOT / "web" / "page"
    text = (page / name).read_text()
    begun = set(re.findall(r'modulepreload" (?:fetchpriority="low" )?href="(?:\.\./)?page/([^"]+)"', text))
    reached: set[str] = set()
    todo = re.findall(r'<script type="module" (?:async )?src="(?:\.\./)?page/([^"]+)"', text)
    while todo:
        module = page / todo.pop()
        reached.add(module.relative_to(page).as_posix())
        imported = re.findall(r'^import .* from "(\.[^"]+)"', module.read_text(), re.MULTILINE)
        paths = [(module.parent / each).resolve().relative_to(page.resolve()).as_posix() for each in imported]
        todo += [each for each in paths if each not in reached]
    assert begun == reached


def test_what_asks_the_first_question_is_loaded_ahead_of_the_rest() -> None:
    page = node_tools.ROOT / "web" / "page"
    before, script, _ = (
        (page / "index.html").read_text().partition('<script type="module" async src="page/first.js">')
    )
    assert script
    early = set(re.findall(r'modulepreload" href="page/([^"]+)', before))
    reached, todo = set[str](), ["first.js"]
    while todo:
        name = todo.pop()
        reached.add(name)
        imported = re.findall(r'^import .* from "\./([^"]+)"', (page / name).read_text(), re.MULTILINE)
        todo += [each for each in imported if each not in reached]
    assert early == reached


def test_all_files_of_the_page_are_installed(tmp_path: Path) -> None:
    environment = Environment.made(tmp_path / "environment")
    environment.install(source_tree(tmp_path / "tree"))
    page = node_tools.ROOT / "web" / "page"
    for file in page.rglob("*"):
        if file.is_file() and file.suffix != ".ts":
            installed = environment.packages / "web" / "page" / file.relative_to(page)
            assert installed.read_bytes() == file.read_bytes()
