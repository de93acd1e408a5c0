"""The kind: a configuration that can do nothing, and is not refused."""

from pathlib import Path

import pytest

from tests.field.program import RECORDINGS, complaint, ended

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
