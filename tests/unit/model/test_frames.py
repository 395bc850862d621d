"""Cutting frames into tasks, and expressions that are too large."""

from __future__ import annotations

import pytest

from peerfarm.errors import InvalidFrames
from peerfarm.model.frames import (
    MAX_RANGES,
    count_frames,
    format_frames,
    frames_at,
    index_of,
    parse_frames,
    task_count,
    task_frames,
    task_of_frame,
    tasks_of_frames,
)
from peerfarm.model.job import MAX_FRAMES_PER_STEP, Step


def step_of(frames: str, chunk_size: int = 1) -> Step:
    return Step("render", "ocean", {}, parse_frames(frames) if frames else (), chunk_size)


def test_the_last_task_holds_what_is_left() -> None:
    step = step_of("1-10", 4)
    assert task_count(step) == 3
    assert [task_frames(step, index) for index in range(3)] == [(1, 2, 3, 4), (5, 6, 7, 8), (9, 10)]


def test_a_chunk_may_span_ranges_and_keeps_their_order() -> None:
    step = step_of("20-22,1-9x4,-1", 4)
    assert [task_frames(step, index) for index in range(2)] == [(20, 21, 22, 1), (5, 9, -1)]


def test_a_step_without_frames_is_one_task() -> None:
    assert task_count(step_of("")) == 1
    assert task_frames(step_of(""), 0) == ()


def test_a_task_that_does_not_exist_has_no_frames() -> None:
    step = step_of("1-10", 4)
    assert task_frames(step, 3) == ()
    assert task_frames(step, -1) == ()


def test_a_frame_leads_back_to_its_task() -> None:
    step = step_of("20-22,1-9x4,-1", 4)
    assert [task_of_frame(step, frame) for frame in (20, 1, 5, -1)] == [0, 0, 1, 1]
    assert task_of_frame(step, 2) is None
    assert tasks_of_frames(step, [9, 5, 20, 777]) == (0, 1)


def test_ten_million_frames_are_counted_and_sliced_without_being_expanded() -> None:
    ranges = parse_frames(f"1-{MAX_FRAMES_PER_STEP}")
    assert count_frames(ranges) == MAX_FRAMES_PER_STEP
    assert frames_at(ranges, MAX_FRAMES_PER_STEP - 2, MAX_FRAMES_PER_STEP + 5) == (9_999_999, 10_000_000)
    assert index_of(ranges, 7_000_000) == 6_999_999


def test_overlapping_millions_are_sorted_out_without_being_expanded() -> None:
    ranges = parse_frames("1-4000000x2,1-4000000")
    assert format_frames(ranges) == "1-3999999x2,2-4000000x2"


def test_one_frame_more_than_a_step_may_have_is_refused() -> None:
    with pytest.raises(InvalidFrames, match="10000001 frames"):
        parse_frames(f"1-{MAX_FRAMES_PER_STEP + 1}")


def test_a_list_of_many_single_frames_is_refused_with_advice() -> None:
    text = ",".join(str(frame * frame) for frame in range(1, MAX_RANGES + 2))
    with pytest.raises(InvalidFrames, match="2001 separate ranges") as caught:
        parse_frames(text)
    assert caught.value.hint == "Submit them as several steps."


def test_many_single_neighbours_are_one_range() -> None:
    assert parse_frames(",".join(str(frame) for frame in range(1, 5001))) == ((1, 5000, 1),)


def test_ranges_that_interleave_beyond_reason_are_refused() -> None:
    text = ",".join(f"1-1000000x{1000 + number}" for number in range(900))
    with pytest.raises(InvalidFrames, match="overlap or interleave too much"):
        parse_frames(text)


def test_ranges_that_lie_in_each_others_gaps_are_bounded_too() -> None:
    text = ",".join(f"{first}-{first + 600 * 20}x600" for first in range(600))
    with pytest.raises(InvalidFrames, match="overlap or interleave too much"):
        parse_frames(text)
    assert count_frames(parse_frames("1-91x10,2-92x10,5-95x10")) == 30


def test_holes_that_would_leave_a_million_pieces_are_refused() -> None:
    with pytest.raises(InvalidFrames, match="overlap or interleave too much"):
        parse_frames("1-3000000x3,1-3000000")


def test_a_text_without_end_is_refused_unread() -> None:
    with pytest.raises(InvalidFrames, match="100000 characters"):
        parse_frames("1" * 100_000)


def test_a_long_expression_is_quoted_around_the_place() -> None:
    text = ",".join(str(frame * 3) for frame in range(400)) + ",oops,1"
    with pytest.raises(InvalidFrames) as caught:
        parse_frames(text)
    assert '"oops" cannot be read' in str(caught.value)
    assert f"column {text.index('oops') + 1}:" in str(caught.value)
    assert len(str(caught.value)) < 150


def test_single_frames_are_written_as_ranges() -> None:
    assert format_frames([1, 2, 3, 7, 9, 11, 20]) == "1-3,7-11x2,20"
    assert format_frames([]) == ""
