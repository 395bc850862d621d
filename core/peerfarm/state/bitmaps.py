"""Sets of tasks as bit maps, one bit per task index, and as the ranges that actions carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from peerfarm.model.job import MAX_TASKS_PER_STEP
from peerfarm.state.bodies import MAX_RANGES


def bits_of(ranges: Iterable[tuple[int, int]]) -> int:
    """Inclusive ranges of task indices as a bit map; what no step can have is left out.

    Costs what the map and the ranges cost, however many there are and however they overlap.
    """
    spans = sorted(ranges)
    end = -1
    flags = bytearray(min(max((last for _, last in spans), default=-1), MAX_TASKS_PER_STEP - 1) // 8 + 1)
    for first, last in spans:
        first, last = max(first, end + 1), min(last, MAX_TASKS_PER_STEP - 1)  # noqa: PLW2901 - what is new of it
        if first > last:
            continue
        low, high, end = first // 8, last // 8, last
        head, tail = 0xFF << first % 8 & 0xFF, 0xFF >> 7 - last % 8
        if low == high:
            flags[low] |= head & tail
        else:
            flags[low] |= head
            flags[low + 1 : high] = b"\xff" * (high - low - 1)
            flags[high] |= tail
    return int.from_bytes(flags, "little")


def ranges_of(bits: int) -> tuple[tuple[int, int], ...]:
    """A bit map as inclusive ranges of indices."""
    runs = re.finditer("1+", f"{bits:b}"[::-1])
    return tuple((run.start(), run.end() - 1) for run in runs)


def range_batches(bits: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A bit map as ranges, no more at a time than one action holds."""
    ranges = ranges_of(bits)
    for start in range(0, len(ranges), MAX_RANGES):
        yield ranges[start : start + MAX_RANGES]
