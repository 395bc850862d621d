"""Frame expressions as recorded in frames.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from peerfarm.errors import InvalidFrames
from peerfarm.model.frames import count_frames, format_frames, frames_at, parse_frames

RECORDED = yaml.safe_load(Path(__file__).with_name("frames.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", RECORDED["read"], ids=lambda entry: repr(entry["expression"]))
def test_a_frame_expression_means_what_was_recorded(entry: dict[str, Any]) -> None:
    ranges = parse_frames(entry["expression"])
    assert list(frames_at(ranges, 0, count_frames(ranges))) == entry["frames"]
    assert format_frames(ranges) == entry["text"]


@pytest.mark.parametrize("entry", RECORDED["refused"], ids=lambda entry: repr(entry["expression"]))
def test_a_refused_expression_is_told_with_place_and_reason(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidFrames) as caught:
        parse_frames(entry["expression"])
    message = str(caught.value)
    assert entry["reason"] in message
    assert f"column {entry['column']}:" in message or entry["column"] == 0
    assert caught.value.hint
