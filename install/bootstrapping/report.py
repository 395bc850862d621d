"""Reads what pytest reports about a run in JUnit's XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Counts:
    """How the tests of one run ended."""

    passed: int = 0
    failed: int = 0
    """Failed, or could not be set up, torn down or collected."""
    skipped: tuple[tuple[str, str], ...] = ()
    """(name, reason) of each test that did not run or was expected to fail."""

    def __str__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def read_report(path: Path) -> Counts:
    """Count the tests in a report; all zero when there is none, for then pytest itself failed and said so."""
    try:
        cases = ET.parse(path).getroot().iter("testcase")  # noqa: S314 - written a moment ago by our own pytest
        ended = [(f"{case.get('classname', '')}::{case.get('name', '')}", case) for case in cases]
    except (OSError, ET.ParseError):
        return Counts()
    bad = {name for name, case in ended if case.find("failure") is not None or case.find("error") is not None}
    left = {name: case.find("skipped") for name, case in ended if name not in bad}
    skipped = tuple((name, mark.get("message", "")) for name, mark in left.items() if mark is not None)
    return Counts(len(left) - len(skipped), len(bad), skipped)
