"""What pytest in the guest found, test by test."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Result:
    """One test of the guest: ``outcome`` is passed, failed or skipped."""

    node: str
    outcome: str
    detail: str
    seconds: float


def read_results(junit: Path) -> list[Result]:
    """The tests in a JUnit report; none if the guest did not come so far as to write one."""
    if not junit.exists():
        return []
    return [_result(case) for case in ElementTree.parse(junit).iter("testcase")]


def _result(case: ElementTree.Element) -> Result:
    path = case.get("classname", "").replace(".", "/")
    outcome, detail = "passed", ""
    for child in case:
        if child.tag in {"failure", "error", "skipped"}:
            outcome = "skipped" if child.tag == "skipped" else "failed"
            detail = f"{child.get('message', '')}\n{child.text or ''}"
    return Result(f"{path}.py::{case.get('name')}", outcome, detail, float(case.get("time", 0)))


def results_of(argument: str, results: Iterable[Result]) -> list[Result]:
    """Those that an argument of pytest (a file, a test, or a test with parameters) stands for."""
    ends = ("", "[") if "::" in argument else ("::",)
    return [
        result
        for result in results
        if any(result.node == argument if not end else result.node.startswith(argument + end) for end in ends)
    ]
