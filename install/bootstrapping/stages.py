"""`bootstrap.py test`: every check one after the other, then what failed, what was skipped and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bootstrapping.child import run_child
from bootstrapping.report import Counts, read_report

SERIAL = ("tests/e2e", "tests/benchmarks")
"""Folders whose tests load the machine so much that they run one at a time, after the others."""
SIMULATION = "tests/simulation/run.py"
LOCAL_SEEDS = "300"
CI_SEEDS = "3000"
NO_TESTS = 5
"""pytest's exit code when nothing matched."""


@dataclass(frozen=True)
class Stage:
    """One check: a program that says by its exit code whether all is well."""

    name: str
    argv: tuple[str, ...]
    is_pytest: bool = False


@dataclass
class Outcome:
    """How the stages went."""

    lines: list[str] = field(default_factory=list)
    """One line per stage, for the summary."""
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)
    """What did not run, and why."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def run_all_stages(root: Path, python: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run every check, also after one has failed, and print a summary; gives 0 when all is well, else 1.

    Args:
        root: The checkout.
        python: Of an environment that has the development packages.
        arguments: For pytest. With any, the tests are narrowed and the simulation is left out.
        environ: With CI set, whatever is skipped is a failure.
    """
    is_ci = environ.get("CI", "").lower() not in {"", "0", "false"}
    seeds = environ.get("PEERFARM_SIM_SEEDS") or (CI_SEEDS if is_ci else LOCAL_SEEDS)
    # A node's settings in the person's environment must not steer the tests.
    clean = {name: value for name, value in environ.items() if not name.startswith("PEERFARM_")}
    outcome = Outcome()
    selection: tuple[str, ...] = ()
    if not shutil.which("blender", path=environ.get("PATH")):
        number = _count_blender_tests(root, python, arguments, clean)
        if number or is_ci:
            outcome.skips.append(
                f"{number} tests that need Blender: it is not on PATH. Install it (`sudo apt install blender`, or "
                "from blender.org) and run this again."
            )
        selection = ("-m", "not blender")
    if not arguments and not (root / SIMULATION).is_file():
        outcome.skips.append(f"the simulation: {SIMULATION} is not in this checkout.")
    with tempfile.TemporaryDirectory(prefix="peerfarm-test-") as reports:
        for stage in plan(root, python, arguments, selection, seeds):
            _run_stage(stage, root, Path(reports) / "report.xml", clean, outcome)
    return summarise(outcome, is_ci)


def plan(root: Path, python: Path, arguments: Sequence[str], selection: Sequence[str], seeds: str) -> list[Stage]:
    """The stages in the order in which they run: quick ones first.

    Args:
        root: The checkout.
        python: Of the environment that has the tools.
        arguments: The person's, for pytest; a path among them makes one stage of the tests.
        selection: Ours, for pytest; stands before the person's, so that theirs wins.
        seeds: How many the simulation runs.
    """
    py = str(python)
    lint_imports = shutil.which("lint-imports", path=str(python.parent)) or "lint-imports"
    stages = [
        Stage("style: ruff check", (py, "-m", "ruff", "check", ".")),
        Stage("style: ruff format", (py, "-m", "ruff", "format", "--check", ".")),
        Stage("types: mypy", (py, "-m", "mypy")),
        Stage("layers: lint-imports", (lint_imports,)),
    ]
    if not arguments and (root / SIMULATION).is_file():
        stages.append(Stage(f"simulation: {seeds} seeds", (py, SIMULATION, "--seeds", seeds, "--first", "1")))
    pytest = (py, "-m", "pytest", *selection)
    if any((root / text.partition("::")[0]).exists() for text in arguments if not text.startswith("-")):
        return [*stages, Stage("tests", (*pytest, *arguments), is_pytest=True)]
    cores = _cores()
    parallel = (*(f"--ignore={folder}" for folder in SERIAL), *(("-n", str(cores)) if cores > 1 else ()))
    stages.append(Stage("tests", (*pytest, *parallel, *arguments), is_pytest=True))
    heavy = tuple(folder for folder in SERIAL if any((root / folder).glob("**/test_*.py")))
    if heavy:
        stages.append(Stage("tests, one at a time", (*pytest, *heavy, *arguments), is_pytest=True))
    return stages


def summarise(outcome: Outcome, is_ci: bool) -> int:
    """Print how it went, the sum of all tests last; gives the exit code."""
    failures = list(outcome.failures)
    if is_ci and outcome.skips:
        failures.append("something was skipped, which CI does not allow")
    print("\n== summary", *outcome.lines, sep="\n")
    for skip in outcome.skips:
        print(f"skipped: {skip}")
    for failure in failures:
        print(f"FAILED: {failure}")
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    print(f"{outcome.passed} passed, {outcome.failed} failed{skipped}", flush=True)
    return 1 if failures else 0


def _run_stage(stage: Stage, root: Path, report: Path, environ: Mapping[str, str], outcome: Outcome) -> None:
    print(f"\n== {stage.name}", flush=True)
    argv = (*stage.argv, f"--junit-xml={report}") if stage.is_pytest else stage.argv
    report.unlink(missing_ok=True)
    started_s = time.monotonic()
    try:
        code = run_child(argv, root, environ)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", flush=True)
        code = 127
    taken_s = time.monotonic() - started_s
    note = ""
    if stage.is_pytest:
        counts = read_report(report)
        _add(counts, outcome)
        note = f"  {counts}"
        if code == NO_TESTS:
            code = 0
            outcome.skips.append(f"{stage.name}: no test was selected.")
    if code:
        outcome.failures.append(f"{stage.name} (exit code {code})")
    outcome.lines.append(f"{'FAILED' if code else 'ok':<7}{taken_s:8.1f} s  {stage.name}{note}")


def _add(counts: Counts, outcome: Outcome) -> None:
    outcome.passed += counts.passed
    outcome.failed += counts.failed
    outcome.skipped += len(counts.skipped)
    outcome.skips.extend(f"{name}: {reason}" for name, reason in counts.skipped)


def _count_blender_tests(root: Path, python: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """How many of the tests asked for need Blender; 0 when they cannot be collected, which the tests then show."""
    argv = (str(python), "-m", "pytest", "--collect-only", "--quiet", *arguments, "-m", "blender")
    listing = subprocess.run(
        argv, cwd=root, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return sum("::" in line for line in listing.stdout.splitlines())


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
