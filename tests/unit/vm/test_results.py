"""What the guest's report says of its tests, and which of them an entry of the suite stands for."""

from pathlib import Path

from tests.vm.results import Result, read_results, results_of

REPORT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.kernel.test_nat" name="test_one" time="1.5"/>
<testcase classname="tests.kernel.test_nat" name="test_two[a/b]" time="0">
<failure message="assert 1 == 2">tail</failure></testcase>
<testcase classname="tests.kernel.test_nat" name="test_two[c]" time="0"/>
<testcase classname="tests.kernel.test_nat_more" name="test_one" time="0"><skipped message="no root"/></testcase>
</testsuite></testsuites>"""


def read(folder: Path) -> list[Result]:
    """The report above."""
    (folder / "junit.xml").write_text(REPORT)
    return read_results(folder / "junit.xml")


def test_each_test_has_its_outcome(tmp_path: Path) -> None:
    """Passed, failed with what was said, skipped with the reason."""
    results = read(tmp_path)
    assert [result.outcome for result in results] == ["passed", "failed", "passed", "skipped"]
    assert (results[1].detail, results[3].detail) == ("assert 1 == 2\ntail", "no root\n")
    assert results[0] == Result("tests/kernel/test_nat.py::test_one", "passed", "", 1.5)


def test_an_entry_stands_for_a_file_a_test_or_all_its_parameters(tmp_path: Path) -> None:
    """Names that only begin alike are others."""
    results = read(tmp_path)
    assert results_of("tests/kernel/test_nat.py", results) == results[:3]
    assert results_of("tests/kernel/test_nat.py::test_two", results) == results[1:3]
    assert results_of("tests/kernel/test_nat.py::test_one", results) == results[:1]
    assert results_of("tests/kernel/test_nat.py::test", results) == []


def test_a_guest_that_wrote_no_report_has_no_results(tmp_path: Path) -> None:
    """It may not have come up."""
    assert read_results(tmp_path / "junit.xml") == []
