"""Prints the figures of this machine: `python tests/benchmarks/run.py [--json] [--only NAME ...] [--scale FACTOR]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
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
)


def main() -> int:
    """Run what was asked for; 1 when a benchmark could not give its figures."""
    parser = argparse.ArgumentParser(description="Measure peerfarm on this machine.")
    parser.add_argument("--json", action="store_true", help="print nothing but one JSON object")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="fewer repetitions and tasks; figures get coarser")
    chosen = parser.parse_args()
    # Ended by others, it still ends its nodes.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
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
        "load_after": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "scale": chosen.scale,
        "failures": failures,
    }
    print(json.dumps(figures, indent=None if chosen.json else 2))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
