"""The kind: a configuration that can do nothing, and is not refused."""

from pathlib import Path

import pytest

from tests.field.program import RECORDINGS, complaint, ended
from tests.unprivileged import unprivileged

REPLAY = ("replay", str(RECORDINGS / "short.tlr"), "--speed", "max", "--sink", "jsonl:/dev/null")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node: a\nnode: b\n", "`node` is given twice, in lines 1 and 2"),
        ("tcp: {slots: 16, slots: 32}\n", "`tcp.slots` is given twice"),
        (
            "sinks:\n- name: jsonl\n  settings: {path: a, path: b}\n",
            "`sinks[0].settings.path` is given twice",
        ),
        ('names: {"10.0.0.0/8": x, "10.0.0.0/8": y}\n', "`names.10.0.0.0/8` is given twice"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    """YAML would take the last one, in silence; exit code 2."""
    file = tmp_path / "tailrace.yaml"
    file.write_text(text)
    code, line = complaint(ended(*REPLAY, "--config", str(file)))
    assert code == 2
    assert line.startswith(f"configuration {file}: {said}")


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("namespaces", "said"),
    [
        ("[nosuchns]", "namespaces[0]: /run/netns/nosuchns does not exist"),
        ("['web*', /proc/self/ns/mnt]", "namespaces[1]: /proc/self/ns/mnt is no network namespace"),
    ],
)
def test_a_namespace_that_is_none_is_refused_with_its_path(namespaces: str, said: str) -> None:
    """Nothing would ever be reported; exit code 2."""
    done = ended("run", "--duration", "1", environment={"TAILRACE_NAMESPACES": namespaces})
    code, line = complaint(done)
    assert (code, line.startswith(said)) == (2, True), line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("namespaces: [web*, '[']\n", "namespaces[1]: '[' is no pattern, its [ is not closed"),
        (
            "docker: {labels: ['[z-a]']}\n",
            "labels[0]: '[z-a]' is no pattern, z-a runs backward - at `$.docker`",
        ),
        ("sinks: [{name: console, fields: ['client.[']}]\n", "flows have no field 'client.['"),
        ("sinks: [{name: console, where: 'process:['}]\n", "filter: '[' is no pattern, its [ is not closed"),
    ],
)
def test_a_pattern_that_can_be_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Whose bracket is not closed, or whose range is empty, matches nothing; exit code 2."""
    file = tmp_path / "tailrace.yaml"
    file.write_text(text)
    code, line = complaint(ended(*REPLAY[:-2], "--config", str(file)))
    assert (code, said in line) == (2, True), line


@pytest.mark.parametrize(
    "words", [("replay", REPLAY[1], "process:["), ("map", "--store", "/tmp", "process:[")]
)
def test_a_pattern_of_a_filter_is_refused_with_its_place(words: tuple[str, ...]) -> None:
    """On the command line, of rows and of the map."""
    code, line = complaint(ended(*words))
    assert (code, line.startswith("filter: '[' is no pattern")) == (2, True), line


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("command", "settings", "before"),
    [
        (("run",), {"TAILRACE_NAMESPACES": "[nosuchns]"}, ()),
        (("run",), {"TAILRACE_ENRICHERS": "[{name: nosuch}]"}, ()),
        (("run",), {}, unprivileged()),
        (("record", "out.tlr"), {"TAILRACE_NAMESPACES": "[nosuchns]"}, ()),
    ],
    ids=["namespaces", "enrichers", "rights", "recording"],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    tmp_path: Path, command: tuple[str, ...], settings: dict[str, str], before: tuple[str, ...]
) -> None:
    """Nothing else is said, about a map that cannot be kept neither, and no file is there."""
    (tmp_path / "file").touch()
    environment = settings | {"TAILRACE_STORE_PATH": str(tmp_path / "file" / "store")}
    arguments = (*command, "--sink", "jsonl:rows.jsonl")
    done = ended(*arguments, before=before, environment=environment, cwd=tmp_path)
    complaint(done)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
