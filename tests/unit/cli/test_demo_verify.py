"""How the demo counts what it found: frames by what lies on the disk, starts by the runners' own logs."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from peerfarm.cli.demo_verify import Start, check_frames, count_duplicates

TASK = ("job", 0, 3)
S = 1_000_000_000


def start(node: str, at_s: float, ended_s: float | None = None, outcome: str = "") -> Start:
    ended_ns = None if ended_s is None else int(ended_s * S)
    return Start(node, f"{node}-{at_s}", TASK, int(at_s * S), ended_ns, outcome)


@pytest.mark.parametrize(
    ("starts", "killed", "expected"),
    [
        ([start("a", 1, 2, "rendered")], {}, 0),
        ([start("a", 1, 2, "rendered"), start("b", 3, 4, "rendered")], {}, 1),
        ([start("a", 1, 2, "failed"), start("b", 3, 4, "rendered")], {}, 0),
        ([start("a", 1, 5, "failed"), start("b", 3, 4, "rendered")], {}, 1),
        ([start("a", 1, 2, "stopped"), start("b", 3, 4, "rendered")], {}, 0),
        ([start("a", 1), start("b", 5, 6, "rendered")], {"a": 3 * S}, 0),
        ([start("a", 1), start("b", 2, 6, "rendered")], {"a": 3 * S}, 1),
        ([start("a", 1, 3.1, "lost"), start("b", 5, 6, "rendered")], {"a": 3 * S}, 0),
        ([start("a", 1, 2.9, "rendered"), start("b", 5, 6, "rendered")], {"a": 3 * S}, 0),
        ([start("a", 1, 2, "rendered"), start("b", 50, 60, "rendered")], {"a": 40 * S}, 1),
        ([start("a", 1), start("b", 5, 6, "rendered"), start("c", 7, 8, "rendered")], {"a": 3 * S}, 1),
        ([start("a", 1), start("b", 5), start("c", 9, 10, "rendered")], {"a": 3 * S, "b": 8 * S}, 0),
    ],
    ids=[
        "one start",
        "twice without a cause",
        "again after a failure",
        "again before the failure",
        "again after a stop",
        "again after its node was killed",
        "again before its node was killed",
        "ended as a leftover of the kill",
        "result lost with the node that had it",
        "result told long before the kill",
        "one kill explains one start only",
        "two kills explain two starts",
    ],
)
def test_start_counts_as_duplicate_unless_an_earlier_one_explains_it(
    starts: list[Start], killed: dict[str, int], expected: int
) -> None:
    assert expected == count_duplicates(starts, killed)


def png(width: int = 4, height: int = 2) -> bytes:
    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(height * (1 + 3 * width)))
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", head) + piece(b"IDAT", rows) + piece(b"IEND", b"")


def test_only_complete_frames_of_one_size_are_valid(tmp_path: Path) -> None:
    (tmp_path / "f_1.png").write_bytes(png())
    (tmp_path / "f_2.png").write_bytes(png()[:-5])
    (tmp_path / "f_3.png").write_bytes(png(8, 8))
    (tmp_path / "f_5.png").write_bytes(png())
    found = check_frames(tmp_path, [f"f_{number}.png" for number in range(1, 6)])
    assert (tmp_path / "f_1.png", tmp_path / "f_5.png") == found.valid
    assert len(found.problems) == 3
    assert "the frame f_4.png is missing" in found.problems
    assert "the frame f_3.png is 8x8, not 4x2" in found.problems


def test_half_written_file_left_among_the_frames_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "f_1.png").write_bytes(png())
    (tmp_path / ".f_1.png.attempt.tmp").write_bytes(b"")
    (tmp_path / ".peerfarm").mkdir()
    found = check_frames(tmp_path, ["f_1.png"])
    assert found.problems == (".f_1.png.attempt.tmp was left behind among the frames",)
