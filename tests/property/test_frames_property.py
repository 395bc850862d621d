"""Frame expressions against the plain meaning: a list of frames, each where it comes first."""

from __future__ import annotations

from fileseq import FrameSet
from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import InvalidFrames
from peerfarm.model.frames import (
    count_frames,
    format_frames,
    frames_at,
    index_of,
    parse_frames,
    task_count,
    task_frames,
    task_of_frame,
)
from peerfarm.model.job import FrameRange, Step

Part = tuple[int, int, int]
PARTS = st.lists(st.tuples(st.integers(-60, 60), st.integers(0, 90), st.integers(1, 9)), min_size=1, max_size=8)


def written(parts: list[Part]) -> str:
    return ",".join(f"{first}-{first + length}x{step}" if length else str(first) for first, length, step in parts)


def meant(parts: list[Part]) -> list[int]:
    return list(dict.fromkeys(f for first, length, step in parts for f in range(first, first + length + 1, step)))


def expanded(ranges: tuple[FrameRange, ...]) -> list[int]:
    return [frame for first, last, step in ranges for frame in range(first, last + 1, step)]


@given(PARTS)
def test_an_expression_means_each_frame_once_in_the_order_written(parts: list[Part]) -> None:
    ranges = parse_frames(written(parts))
    assert expanded(ranges) == meant(parts)
    assert all(last >= first and step >= 1 and (last - first) % step == 0 for first, last, step in ranges)


@given(PARTS)
def test_fileseq_reads_the_same_frames(parts: list[Part]) -> None:
    assert expanded(parse_frames(written(parts))) == list(FrameSet(written(parts)))


@given(PARTS)
def test_what_is_written_back_reads_as_the_same_ranges(parts: list[Part]) -> None:
    ranges = parse_frames(written(parts))
    assert parse_frames(format_frames(ranges)) == ranges
    assert list(FrameSet(format_frames(ranges))) == expanded(ranges)


@given(st.lists(st.integers(-50, 50), min_size=1, unique=True))
def test_any_list_of_frames_survives_being_written(frames: list[int]) -> None:
    assert expanded(parse_frames(format_frames(frames))) == frames


@given(PARTS, st.integers(1, 12))
def test_tasks_split_the_frames_and_joined_give_them_back(parts: list[Part], chunk_size: int) -> None:
    step = Step("render", "ocean", {}, parse_frames(written(parts)), chunk_size)
    tasks = [task_frames(step, index) for index in range(task_count(step))]
    assert [frame for task in tasks for frame in task] == meant(parts)
    assert all(len(task) == chunk_size for task in tasks[:-1])
    assert 1 <= len(tasks[-1]) <= chunk_size
    assert all(task_of_frame(step, frame) == index for index, task in enumerate(tasks) for frame in task)


@given(PARTS, st.integers(-5, 120), st.integers(-5, 120))
def test_a_slice_is_the_slice_of_the_expanded_frames(parts: list[Part], start: int, stop: int) -> None:
    ranges = parse_frames(written(parts))
    assert list(frames_at(ranges, start, stop)) == expanded(ranges)[max(start, 0) : max(stop, 0)]


@given(PARTS, st.integers(-80, 160))
def test_a_frame_is_found_where_it_stands(parts: list[Part], frame: int) -> None:
    ranges = parse_frames(written(parts))
    frames = expanded(ranges)
    assert index_of(ranges, frame) == (frames.index(frame) if frame in frames else None)
    assert count_frames(ranges) == len(frames)


@given(st.text(alphabet="0123456789-,x: \u2013yo#\t", max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused_as_invalid_frames(text: str) -> None:
    try:
        ranges = parse_frames(text)
    except InvalidFrames:
        return
    assert parse_frames(format_frames(ranges)) == ranges
