"""A renderer's lines, its limits and its log, without any process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import AppNotFound, OutputMissing
from peerfarm.model.ids import JobId
from peerfarm.model.render import AttemptFailed, AttemptProgressed, Capability, FailReason, RenderTask
from peerfarm.runner.attemptlog import AttemptLog, read_part
from peerfarm.runner.environment import cleaned, dropped
from peerfarm.runner.failures import AttemptError, explain
from peerfarm.runner.header import footer, title_lines
from peerfarm.runner.limits import PROGRESS_EVERY_S, Limits, Throttle
from peerfarm.runner.lines import LINE_LIMIT, LineSplitter
from peerfarm.runner.quietlogs import QuietLogs
from peerfarm.runner.starts import Starts, Unended

TASK = RenderTask("a-b-1", JobId("j" * 12), "shot", 1, "render", 4, "blender", {}, (1, 2), "/out", "f_#.png")


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_lines_do_not_depend_on_how_the_bytes_arrive(pieces: list[bytes]) -> None:
    whole, split = LineSplitter(), LineSplitter()
    data = b"".join(pieces)
    at_once = whole.feed(data) + whole.finish()
    piecewise = [line for piece in pieces for line in split.feed(piece)] + split.finish()

    assert at_once == piecewise
    assert (
        at_once
        == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8", "replace").split("\n")[: len(at_once)]
    )


def test_a_long_line_is_cut_and_the_next_one_is_whole() -> None:
    splitter = LineSplitter()
    lines = [line for _ in range(5) for line in splitter.feed(b"x" * LINE_LIMIT)]
    lines += splitter.feed(b"end\nnext\n")

    assert len(lines) == 2
    assert len(lines[0]) < LINE_LIMIT + 100
    assert lines[1] == "next"


@pytest.mark.parametrize(
    ("time_limit_s", "stall_limit_s", "moved_s", "now_s", "reason"),
    [
        (0, 0, 0, 1e9, None),
        (10, 0, 0, 9.9, None),
        (10, 0, 9, 10, FailReason.TIMED_OUT),
        (0, 5, 0, 4.9, None),
        (0, 5, 0, 5, FailReason.STALLED),
        (0, 5, 3, 7.9, None),
        (0, 5, 3, 8, FailReason.STALLED),
        (8, 5, 3, 8, FailReason.TIMED_OUT),
    ],
)
def test_limits(time_limit_s: float, stall_limit_s: float, moved_s: float, now_s: float, reason: FailReason) -> None:
    limits = Limits(0.0, time_limit_s, stall_limit_s)
    limits.moved(moved_s)
    overrun = limits.overrun(now_s)

    assert (overrun.reason if overrun else None) == reason
    assert (now_s >= limits.next_s) == (reason is not None)


def test_progress_comes_through_at_once_then_only_when_it_is_due() -> None:
    throttle = Throttle()
    told = [AttemptProgressed("a", n / 10) for n in range(4)]
    throttle.hold(told[0])
    assert throttle.due(100.0) == told[0]
    throttle.hold(told[1])
    throttle.hold(told[2])
    assert throttle.due(100.1) is None
    assert throttle.next_s == 100.0 + PROGRESS_EVERY_S
    assert throttle.due(throttle.next_s) == told[2]
    throttle.hold(told[3])
    assert throttle.last() == told[3]
    assert throttle.last() is None


def test_a_log_below_its_limit_is_kept_whole(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path / "a" / "log.txt", 10_000)
    for n in range(100):
        log.add(f"line {n}")
    log.close("end\n")

    assert (tmp_path / "a" / "log.txt").read_text() == "".join(f"line {n}\n" for n in range(100)) + "end\n"


def test_a_log_past_its_limit_says_how_much_is_missing(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path / "log.txt", 1000)
    for n in range(1000):
        log.add(f"{n:09d}")
    log.close("end\n")
    lines = (tmp_path / "log.txt").read_text().splitlines()

    assert lines[0] == "000000000"
    assert lines[-2:] == ["000000999", "end"]
    assert len(lines) == 102
    assert f"{(1000 - 100) * 10} bytes left out" in lines[50]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")
    log = AttemptLog(tmp_path / "a" / "log.txt", 1000)
    log.add("line")
    log.close("end\n")


@given(text=st.text(), limit=st.integers(1, 9))
def test_pieces_of_a_log_make_the_whole_with_no_character_cut(text: str, limit: int, tmp_path_factory: object) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    path = tmp_path_factory.mktemp("log") / "log.txt"
    data = text.encode("utf-8", "replace")
    path.write_bytes(data)
    read, offset = "", 0
    while True:
        part = read_part(path, offset, limit, is_running=False)
        assert part is not None
        assert part.offset == offset
        read, offset = read + part.text, part.next_offset
        if part.is_complete:
            break
    assert read == data.decode()


def test_quiet_logs_are_found_in_memory_and_after_a_restart(tmp_path: Path) -> None:
    texts = {f"n-l-{n}": f"# peerfarm attempt n-l-{n}\nPROCESS START {n}\n" for n in (1, 2, 12)}
    logs = QuietLogs(tmp_path)
    for attempt, text in texts.items():
        logs.add(attempt, text)
    logs.close()
    again = QuietLogs(tmp_path)

    for reader in (logs, again):
        for attempt, text in texts.items():
            part = reader.read(attempt, 0, 1000)
            assert part is not None
            assert (part.text, part.is_complete) == (text, True)
        assert reader.read("n-l-3", 0, 1000) is None
    again.close()


def test_starts_name_what_never_ended(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    starts.started(TASK, 7, 1_000, 2_000)
    starts.settled(TASK.attempt, 7, "boot:55")
    assert starts.unended() == (Unended(TASK.attempt, 7, "boot:55"),)
    starts.ended(TASK.attempt, 0, "rendered")
    assert starts.unended() == ()
    first = json.loads((tmp_path / "starts.jsonl").read_text().splitlines()[0])
    assert first == {
        "event": "start",
        "attempt": "a-b-1",
        "job": "j" * 12,
        "step": 1,
        "task": 4,
        "pid": 7,
        "wall_ms": 1000,
        "mono_ns": 2000,
    }
    starts.close()


def test_the_environment_loses_what_is_ours_and_what_changes_libraries() -> None:
    ours = {"PEERFARM_HOME": "x", "PYTHONPATH": "x", "PYTHONHOME": "x", "LD_PRELOAD": "x", "NOTIFY_SOCKET": "x"}
    theirs = {"PATH": "/bin", "HOME": "/home/a", "OCIO": "/c", "PYTHON_LIKE": "x"}
    theirs.pop("PYTHON_LIKE")

    assert cleaned({**ours, **theirs}) == theirs
    assert dropped({**ours, **theirs}) == tuple(sorted(ours))


def test_names_from_other_nodes_cannot_forge_lines_of_a_log() -> None:
    evil = RenderTask("a-b-1", JobId("j" * 12), "x\nPROCESS START fake", 0, "s", 0, "app", {}, (), "", "")
    lines = title_lines(evil, Capability("app", "", "/x"))
    foot = footer(AttemptFailed("a-b-1", FailReason.APP_FAILED, "y\nPROCESS START"), (1, 2.0), 0)

    assert not any("\n" in line for line in lines)
    assert not any(line.startswith("PROCESS START") for line in [*lines, *foot.splitlines()])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AttemptError(FailReason.STALLED, "x"), FailReason.STALLED),
        (AppNotFound("x"), FailReason.APP_NOT_FOUND),
        (OutputMissing("x"), FailReason.OUTPUT_MISSING),
        (OSError(28, "No space left on device", "/out/f"), FailReason.DISK_FULL),
        (PermissionError(13, "Permission denied", "/out/f"), FailReason.NOT_ALLOWED),
        (OSError(5, "Input/output error", "/out/f"), FailReason.INTERNAL),
        (RuntimeError("bug"), FailReason.INTERNAL),
    ],
)
def test_every_error_has_a_reason_and_words(error: Exception, reason: FailReason) -> None:
    found, message = explain(error)

    assert found == reason
    assert message
    assert not isinstance(error, OSError) or "/out/f" in message
