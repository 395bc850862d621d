"""Small arithmetic over samples."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The sample below which that share lies, to three digits; of an even number the upper one."""
    ordered = sorted(samples)
    return rounded(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))])


def rounded(value: float) -> float:
    """About four significant digits: more would promise too much."""
    return float(f"{value:.4g}")
