"""Arithmetic on frame ranges: counting, slicing, overlap. Nothing here expands a range into its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import gcd

from peerfarm.errors import InvalidFrames
from peerfarm.model.job import FrameRange

MAX_FRAME = 2**31 - 1
"""Greatest frame number either side of 0: renderers hold frames in 32 bits."""
MAX_RANGES = 2000
"""In one step, so that a job specification fits an action of 64 KiB."""
MAX_CROSSINGS = 100_000
"""Pairs of ranges that reach into each other, in one step: bounds the work that a hostile job can cause."""


def make_range(first: int, last: int, step: int = 1) -> FrameRange:
    """The range in its one spelling: last is reached exactly, and a single frame has step 1."""
    last -= (last - first) % step
    return (first, last, step if last > first else 1)


def count_frames(ranges: Iterable[FrameRange]) -> int:
    """How many frames the ranges name; repeats count."""
    return sum((last - first) // step + 1 for first, last, step in ranges)


def frames_at(ranges: Iterable[FrameRange], start: int, stop: int) -> tuple[int, ...]:
    """The frames at positions start to stop - 1 of the order; fewer, or none, where the ranges end before."""
    found: list[int] = []
    position = 0
    start = max(start, 0)
    for first, last, step in ranges:
        if position >= stop:
            break
        count = (last - first) // step + 1
        begin, end = max(start - position, 0), min(stop - position, count)
        if begin < end:
            found.extend(range(first + begin * step, first + end * step, step))
        position += count
    return tuple(found)


def index_of(ranges: Iterable[FrameRange], frame: int) -> int | None:
    """The frame's position in the order, from 0; None when the ranges lack it."""
    position = 0
    for first, last, step in ranges:
        if first <= frame <= last and (frame - first) % step == 0:
            return position + (frame - first) // step
        position += (last - first) // step + 1
    return None


def common_frames(one: FrameRange, other: FrameRange) -> FrameRange | None:
    """The frames that both ranges hold, which form a range again; None when there are none."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    if low > high:
        return None
    shared = gcd(one[2], other[2])
    apart = other[0] - one[0]
    if apart % shared:
        return None
    cycle = other[2] // shared
    steps = apart // shared * pow(one[2] // shared, -1, cycle) % cycle
    step = one[2] * cycle
    first = one[0] + steps * one[2]
    first += -(-(low - first) // step) * step if first < low else 0
    return make_range(first, high, step) if first <= high else None


def find_repeated(ranges: Iterable[FrameRange]) -> int | None:
    """A frame that two of the ranges hold; None when no frame comes twice.

    Raises:
        InvalidFrames: So many ranges reach into each other that looking would take too long (MAX_CROSSINGS).
    """
    open_ranges: list[FrameRange] = []
    crossings = 0
    for one in sorted(ranges):
        open_ranges = [other for other in open_ranges if other[1] >= one[0]]
        crossings += len(open_ranges)
        if crossings > MAX_CROSSINGS:
            raise _tangled()
        for other in open_ranges:
            common = common_frames(one, other)
            if common is not None:
                return common[0]
        open_ranges.append(one)
    return None


def without_repeats(ranges: Iterable[FrameRange]) -> tuple[FrameRange, ...]:
    """The same frames in the same order, each only where it comes first.

    Raises:
        InvalidFrames: The rest falls into more than MAX_RANGES ranges, or takes too long to work out.
    """
    kept: list[FrameRange] = []
    crossings = 0
    for one in ranges:
        pieces = [one]
        for hole in [other for other in kept if other[0] <= one[1] and one[0] <= other[1]]:
            crossings += len(pieces)
            if crossings > MAX_CROSSINGS:
                raise _tangled()
            pieces = [rest for piece in pieces for rest in _subtract(piece, hole)]
            if len(kept) + len(pieces) > MAX_RANGES:
                raise _tangled()
        kept.extend(pieces)
    return tuple(kept)


def _tangled() -> InvalidFrames:
    return InvalidFrames(
        "The frame ranges overlap or interleave too much to be sorted out", "Name each frame once, in fewer ranges."
    )


def _subtract(one: FrameRange, other: FrameRange) -> Iterator[FrameRange]:
    """What is left of one range without the frames of the other, in order; at most MAX_RANGES + 1 pieces."""
    hole = common_frames(one, other)
    if hole is None:
        yield one
        return
    (first, last, step), (hole_first, hole_last, hole_step) = one, hole
    if hole_first > first:
        yield make_range(first, hole_first - step, step)
    if hole_first < hole_last:
        if hole_step == 2 * step:
            yield make_range(hole_first + step, hole_last - step, hole_step)
        elif hole_step > step:
            starts = range(hole_first, hole_last, hole_step)[:MAX_RANGES]
            yield from (make_range(start + step, start + hole_step - step, step) for start in starts)
    if hole_last < last:
        yield make_range(hole_last + step, last, step)


def compact(ranges: Iterable[FrameRange]) -> tuple[FrameRange, ...]:
    """The same frames in the same order in fewer ranges, joined where one goes on as the other ended.

    Two single frames join only when they are neighbours, three when their distances are equal. Doing it twice
    changes nothing more.
    """
    done: list[FrameRange] = []
    for one in ranges:
        done.append(one)
        while _join_last(done):
            pass
    return tuple(done)


def _join_last(done: list[FrameRange]) -> bool:
    if len(done) < 2:
        return False
    (first, last, step), (next_first, next_last, next_step) = done[-2:]
    gap = next_first - last
    is_single, is_next_single = first == last, next_first == next_last
    if is_single and is_next_single:
        if gap == 1:
            done[-2:] = [(first, next_last, 1)]
            return True
        if gap > 1 and len(done) > 2 and done[-3][0] == done[-3][1] == first - gap:
            done[-3:] = [(first - gap, next_last, gap)]
            return True
        return False
    run_step = next_step if is_single else step
    if gap == run_step and (is_single or is_next_single or step == next_step):
        done[-2:] = [(first, next_last, run_step)]
        return True
    return False
