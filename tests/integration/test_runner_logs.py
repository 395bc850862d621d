"""What is written down about real processes: logs of every length and kind, read while they grow; progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import LIMIT_S, WRITE_FRAMES, Rig

from peerfarm.model.render import (
    AttemptProgressed,
    AttemptRendered,
    Capability,
)

FOREVER = "while True: time.sleep(1)\n"
TICKS = "while True: print('tick'); time.sleep(0.02)\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    output = tmp_path / "output"
    output.mkdir()
    rig = Rig(tmp_path / "home", output)
    yield rig
    rig.runner.close(LIMIT_S)


def test_the_log_says_who_ran_what_and_how_it_ended(rig: Rig) -> None:
    ending = rig.run("print('hello'); print('oops', file=sys.stderr)\n" + WRITE_FRAMES, (5,))

    log = rig.log(ending.attempt)
    for words in ("oak", "shot 7", "render", "# frames      5", sys.executable, "hello\noops\n", "exit code 0"):
        assert words in log
    assert log.count("PROCESS START") == 1
    assert "# outcome     rendered, 1 frames verified" in log
    assert rig.counted("start") == rig.counted("end") == [ending.attempt]


def test_a_quiet_attempt_has_a_log_too(rig: Rig) -> None:
    quiet = Capability("script", "", "/bin/true")
    task = rig.task("")
    rig.runner.start(0, task, quiet)

    assert isinstance(rig.ending(task.attempt), AttemptRendered)
    part = rig.runner.read_log(task.attempt, 0, 100_000)
    assert part is not None
    assert part.is_complete
    assert "PROCESS START" in part.text
    assert "# outcome     rendered" in part.text


def test_a_log_is_read_in_pieces_while_the_render_runs(rig: Rig) -> None:
    attempt = rig.start("print('café ' * 3)\n" + TICKS)
    rig.on_disk(attempt)
    text, offset = "", 0
    while part := rig.runner.read_log(attempt, offset, 7):
        assert not part.is_complete
        if not part.text:
            break
        text, offset = text + part.text, part.next_offset
    assert "café café café" in text
    rig.runner.stop(attempt)
    rig.ending(attempt)
    last = rig.runner.read_log(attempt, offset, 1 << 20)
    assert last is not None
    assert last.is_complete
    assert "stopped" in last.text


def test_progress_is_told_the_first_and_the_last_always_and_few_between(rig: Rig) -> None:
    rig.run("for n in range(1001): print('progress', n / 1000)")

    told = [event.fraction for event in rig.seen if isinstance(event, AttemptProgressed)]
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert len(told) < 100


def test_a_log_that_grows_too_large_keeps_its_head_and_its_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path, log_limit_mb=1)
    try:
        ending = rig.run("print('the beginning')\nfor n in range(60000): print('x' * 50)\nprint('the end')")
        log = rig.log(ending.attempt)
        assert "the beginning" in log
        assert "the end\nPROCESS END" in log
        assert "bytes left out here" in log
        assert len(log) < 1.1 * 1024 * 1024
    finally:
        rig.runner.close(LIMIT_S)


def test_one_endless_line_is_bounded(rig: Rig) -> None:
    ending = rig.run("for n in range(200): sys.stdout.write('y' * 100_000)\nprint(); print('after')")

    assert isinstance(ending, AttemptRendered)
    log = rig.log(ending.attempt)
    assert "the rest of this line is left out" in log
    assert "\nafter\n" in log
    assert len(log) < 200_000


def test_bytes_that_are_no_text_are_replaced(rig: Rig) -> None:
    ending = rig.run(r"os.write(1, b'caf\xe9 \xff\n')")

    assert "caf\ufffd \ufffd" in rig.log(ending.attempt)
