"""Writes a run's figures down, as JSON and as a table with the floors and aims beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"

GOALS: dict[str, tuple[str, str]] = {
    "first_start_ms": ("≤ 10", "2"),
    "tasks_per_s": ("≥ 350", "1000"),
    "actions_per_s": ("≥ 30 000", "90 000"),
    "catch_up_s": ("≤ 6", "2"),
    "failover_s": ("≤ 20", "5"),
    "makespan_ratio": ("≤ 1.05", "1.02"),
    "idle_cpu_percent": ("≤ 0.3", "0.1"),
    "idle_rss_mb": ("≤ 45", "30"),
    "memory_mb_2m_tasks": ("≤ 600", "300"),
}
"""Figure -> (floor, aim)."""


def record(name: str, figures: dict[str, Any], command: str) -> None:
    """Write results/NAME.json and results/NAME.md."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    (RESULTS / f"{name}.md").write_text(_table(name, figures, command), "utf-8")


def _table(name: str, figures: dict[str, Any], command: str) -> str:
    notes = figures["notes"]
    lines = [
        f"# {name}",
        "",
        f"`{command}` at {notes['at']} on {notes['system']}, Python {notes['python']}, {notes['cores']} cores.",
        f"Load before and after: {notes['load_before']}, {notes['load_after']}; a commit: {notes['commit_ms']} ms.",
        "A load near or above the number of cores means that others used the machine too.",
        "",
        "| figure | value | floor | aim |",
        "|---|---|---|---|",
    ]
    for figure, value in figures.items():
        if figure != "notes":
            floor, aim = GOALS.get(figure, ("", ""))
            lines.append(f"| `{figure}` | {value} | {floor} | {aim} |")
    lines += [f"\n{benchmark} gave nothing: {reason}" for benchmark, reason in notes["failures"].items()]
    return "\n".join(lines) + "\n"
