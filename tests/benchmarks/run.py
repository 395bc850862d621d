"""Prints the figures of this machine: `python tests/benchmarks/run.py [--json] [--only NAME ...] [--record NAME]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "core")]

BENCHMARKS = (
    "first_start",
    "task_rate",
    "action_rate",
    "catch_up",
    "failover",
    "makespan",
    "idle",
    "traffic",
    "memory",
    "hashing",
    "small_files",
    "spread",
    "resend",
    "many_jobs",
    "panel",
    "blender_panel",
)


def main() -> int:
    """Run what was asked for; 1 when a benchmark could not give its figures."""
    parser = argparse.ArgumentParser(description="Measure peerfarm on this machine.")
    parser.add_argument("--json", action="store_true", help="print nothing but one JSON object")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="fewer repetitions and tasks; figures get coarser")
    parser.add_argument("--record", metavar="NAME", help="also write results/NAME.json and results/NAME.md")
    chosen = parser.parse_args()
    # Ended by others, it still ends its nodes.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    notes = {"load_before": _load(), "commit_ms": _commit_ms()}
    figures: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for name in chosen.only:
        begun_s = time.monotonic()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        try:
            figures |= importlib.import_module(name).run(chosen.scale)
        except Exception as error:  # noqa: BLE001 - the other figures are still worth having
            failures[name] = f"{type(error).__name__}: {error}"
        print(failures.get(name, f"{time.monotonic() - begun_s:.1f} s"), file=sys.stderr, flush=True)
    figures["notes"] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        **notes,
        "load_after": _load(),
        "scale": chosen.scale,
        "failures": failures,
    }
    print(json.dumps(figures, indent=None if chosen.json else 2))
    if chosen.record:
        importlib.import_module("record").record(chosen.record, figures, " ".join(["python", *sys.argv]))
    return 1 if failures else 0


def _load() -> float | None:
    """Programs that wanted a processor in the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _commit_ms() -> float:
    """What making one small action durable costs on the disk of the temporary directory."""
    store_room = importlib.import_module("peerfarm.store")
    with tempfile.TemporaryDirectory(prefix="peerfarm-bench-") as home:
        store, _ = store_room.open_store(Path(home) / "log.db")
        samples = []
        for seq in range(1, 101):
            begun_s = time.perf_counter()
            store.append([("a" * 16, "b" * 8, seq, b"x" * 200)])
            samples.append((time.perf_counter() - begun_s) * 1000)
        store.close()
    return round(median(samples), 3)


if __name__ == "__main__":
    sys.exit(main())
