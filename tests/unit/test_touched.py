"""Which tests a change touches."""

import pytest

from tests.touched import touched

THERE = {
    "tests/unit/actors",
    "tests/unit/actors/join",
    "tests/unit/sinks",
    "tests/unit/probes",
    "tests/unit/test_touched.py",
    "tests/vm/test_stock_kernel.py",
}
KERNEL = ["test_http.py", "test_http_more.py", "test_run.py"]


@pytest.mark.parametrize(
    ("files", "tests"),
    [
        (["actors/join/joiner.py"], ["tests/unit/actors/join"]),
        (["actors/join/joiner.py", "actors/words.py"], ["tests/unit/actors"]),
        (["sinks/jsonl/sink.py"], ["tests/contract/sinks", "tests/unit/sinks"]),
        (["bpf/http/hooks.c"], ["tests/kernel/test_http.py", "tests/kernel/test_http_more.py"]),
        (["probes/tcp/probe.py"], ["tests/unit/probes"]),
        (["docs/http.md"], ["tests/unit/docs"]),
        (["tests/unit/test_touched.py", "tests/unit/test_gone.py"], ["tests/unit/test_touched.py"]),
        (["tests/vm/test_stock_kernel.py", "LICENSE"], []),
    ],
)
def test_files_have_the_tests_of_their_folder_contract_and_probe(files: list[str], tests: list[str]) -> None:
    """The nearest folder that mirrors theirs; what takes minutes whatever has changed is left to the whole suite."""
    assert touched(files, THERE.__contains__, KERNEL) == tests
