"""Which tasks of a step wait for which tasks of another: whole maps at a time, kept by size and not by number."""

from __future__ import annotations

from array import array
from collections import OrderedDict

from peerfarm.model.frames import task_count, task_frames, tasks_of_frames
from peerfarm.model.job import Dependency, DependencyKind, FrameRange, JobSpec, Step

KEPT_BYTES = 32 * 1024 * 1024
"""Of links worked out before; those of one more job push out what was asked for least recently."""
_RANGE_BYTES = 150
"""What one range of frames takes in a key, about."""

_Key = tuple[tuple[FrameRange, ...], int, tuple[FrameRange, ...], int, tuple[int, ...]]
_Columns = tuple["array[int]", ...]
"""Column by column one needed task for each own task; where there is none, the number of the other step's tasks."""


def tasks_needing(spec: JobSpec, number: int, dependency: Dependency, bits: int) -> int:
    """The tasks of step `number` that by this dependency need any of the other step's tasks in `bits`.

    Costs as much as there are links, in the C loops of the interpreter: some 40 ns each.
    """
    own, other = spec.steps[number], spec.steps[dependency.step]
    if not bits:
        return 0
    everything = (1 << task_count(own)) - 1
    if dependency.kind is DependencyKind.STEP:
        return everything
    count = task_count(other)
    flags = f"{bits:0{count}b}"[::-1] + "0"  # the last is for needing nothing
    if dependency.kind is DependencyKind.TASKS:
        return everything if any(flags[task] == "1" for task in dependency.tasks if task < count) else 0
    needing = 0
    for column in _links.columns(own, other, dependency.offsets):
        needing |= int("".join(map(flags.__getitem__, column))[::-1], 2)
    return needing


class _Links:
    """The links that were asked for most recently, as many as fit."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, _Columns] = OrderedDict()
        self.size_bytes = 0

    def columns(self, own: Step, other: Step, offsets: tuple[int, ...], room_bytes: int = KEPT_BYTES) -> _Columns:
        """The links of a frame-by-frame dependency; always kept until others are asked for."""
        key = (own.frames, own.chunk_size, other.frames, other.chunk_size, offsets)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        columns = _columns(own, other, offsets)
        self._kept[key] = columns
        self.size_bytes += _size_bytes(key, columns)
        while self.size_bytes > room_bytes and len(self._kept) > 1:
            self.size_bytes -= _size_bytes(*self._kept.popitem(last=False))
        return columns


_links = _Links()


def _size_bytes(key: _Key, columns: _Columns) -> int:
    ranges = len(key[0]) + len(key[2]) + len(key[4])
    return ranges * _RANGE_BYTES + sum(column.itemsize * len(column) for column in columns)


def _columns(own: Step, other: Step, offsets: tuple[int, ...]) -> _Columns:
    """The links of a frame-by-frame dependency."""
    tasks, nothing = task_count(own), task_count(other)
    columns: list[array[int]] = []
    for task in range(tasks):
        frames = (frame + offset for frame in task_frames(own, task) for offset in offsets)
        for place, needed in enumerate(tasks_of_frames(other, frames)):
            if place == len(columns):
                columns.append(array("I", [nothing]) * tasks)
            columns[place][task] = needed
    return tuple(columns)
