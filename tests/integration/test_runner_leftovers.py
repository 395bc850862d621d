"""What a node that died left behind is found and ended at its next start, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import JOB, LIMIT_S, WRITE_FRAMES, Rig, is_alive

from peerfarm.model.render import AttemptRendered, RenderTask
from peerfarm.runner.quietlogs import QuietLogs
from peerfarm.runner.starts import Starts

NODE = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from runner_rig import Rig
rig = Rig(Path(sys.argv[3]), Path(sys.argv[4]))
code = '''
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=subprocess.DEVNULL)
bare = os.fork()
if bare == 0:
    os.setsid()
    os.execve('/bin/sleep', ['sleep', '600'], {})
print('pids', os.getpid(), child.pid, bare)
time.sleep(600)
'''
attempt = rig.start(code, (1,), attempt=sys.argv[5])
rig.settled(attempt)
print(rig.printed(attempt, 'pids'), flush=True)
time.sleep(600)
"""


LOST = f"lost-{os.getpid()}"
"""Of this test process alone: what is left of an attempt is found by its name, on the whole machine."""


@pytest.fixture
def dead_node(tmp_path: Path) -> Iterator[list[int]]:
    """The pids that a node killed in the middle of a render left running."""
    here = Path(__file__).parent
    (tmp_path / "output").mkdir()
    places = [str(here), str(here.parents[1] / "core"), str(tmp_path / "home"), str(tmp_path / "output"), LOST]
    with subprocess.Popen([sys.executable, "-c", NODE, *places], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        pids = [int(pid) for pid in node.stdout.readline().split()]
        node.kill()
    yield pids
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_the_renders_of_a_killed_node_are_gone_after_its_next_start(dead_node: list[int], tmp_path: Path) -> None:
    assert all(map(is_alive, dead_node))
    rig = Rig(tmp_path / "home", tmp_path / "output")
    try:
        assert rig.runner.clean_leftovers() == 1
        assert not any(map(is_alive, dead_node))
        assert not rig.own(LOST).exists()
        assert "lost: the node ended while this ran" in rig.log(LOST)
        part = rig.runner.read_log(LOST, -10, 100)
        assert part is not None
        assert part.is_complete
        assert rig.counted("start") == rig.counted("end") == [LOST]
        assert rig.runner.clean_leftovers() == 0
        assert isinstance(rig.run("print('fine')", attempt=f"{LOST}-again"), AttemptRendered)
    finally:
        rig.runner.close(LIMIT_S)


def test_a_stranger_with_the_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    attempts = tmp_path / "home" / "attempts"
    attempts.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        lines = [
            {"event": "start", "attempt": "old-1", "pid": stranger.pid},
            {"event": "alive", "attempt": "old-1", "pid": stranger.pid, "born": "other:12345"},
            {"event": "start", "attempt": "old-2", "pid": stranger.pid},
        ]
        half = '{"event":"start","att'
        (attempts / "starts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + half)
        rig = Rig(tmp_path / "home", tmp_path)
        try:
            assert rig.runner.clean_leftovers() == 2
            assert stranger.poll() is None
        finally:
            rig.runner.close(LIMIT_S)
            stranger.kill()


def test_forgotten_jobs_lose_their_own_frames_and_keep_their_logs(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path)
    try:
        ending = rig.run(WRITE_FRAMES, (1,))
        rig.runner.forget_jobs(["another"])
        rig.runner.forget_jobs([JOB])
        rig.runner.close(LIMIT_S)
        assert not rig.own(ending.attempt).exists()
        assert "rendered" in rig.log(ending.attempt)
    finally:
        rig.runner.close(LIMIT_S)


def test_old_logs_go_and_new_ones_and_frames_stay(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path, keep_logs_days=7)
    try:
        old, framed, new = (rig.run("print(1)"), rig.run("print(1)\n" + WRITE_FRAMES, (1,)), rig.run("print(1)"))
        running = rig.start("print('ready')\ntime.sleep(600)\n")
        rig.settled(running)
        rig.printed(running, "ready")
        for ending in (old, framed):
            long_ago(tmp_path / "home" / "attempts" / ending.attempt / "log.txt")
        rig.runner.tidy()
        rig.runner.close(LIMIT_S)
        assert rig.runner.read_log(old.attempt, 0, 10) is None
        assert rig.runner.read_log(framed.attempt, 0, 10) is None
        assert rig.own(framed.attempt).exists()
        assert "rendered" in rig.log(new.attempt)
        assert "stopped" in rig.log(running)
    finally:
        rig.runner.close(LIMIT_S)


def long_ago(path: Path) -> None:
    when_s = time.time() - 8 * 86400
    os.utime(path, (when_s, when_s))


def test_forgotten_attempts_lose_frames_and_logs(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path)
    try:
        ending = rig.run(WRITE_FRAMES, (1,))
        rig.runner.forget([ending.attempt, "../output"])
        rig.runner.close(LIMIT_S)
        assert not rig.own(ending.attempt).exists()
        assert rig.runner.read_log(ending.attempt, 0, 10) is None
    finally:
        rig.runner.close(LIMIT_S)


def test_starts_that_begin_a_new_file_still_know_what_runs(tmp_path: Path) -> None:
    starts = Starts(tmp_path, rotate_bytes=100)
    for number in (1, 2):
        task = RenderTask(f"attempt-{number}", JOB, "shot", 0, "render", number, "ocean", {}, (), "", "")
        starts.started(task, 10 + number, 1, 1)
        starts.settled(task.attempt, 10 + number, f"born {number}")
    starts.ended("attempt-1", 0, "rendered")
    starts.rotate()
    starts.rotate()  # small now: it stays
    starts.started(RenderTask("attempt-3", JOB, "shot", 0, "render", 3, "ocean", {}, (), "", ""), 13, 1, 1)
    starts.close()

    unended = Starts(tmp_path).unended()
    assert [(left.attempt, left.pid, left.born) for left in unended] == [
        ("attempt-2", 12, "born 2"),
        ("attempt-3", 13, ""),
    ]
    lines = (tmp_path / "starts.old.jsonl").read_text().splitlines()
    assert len(lines) == 5


def test_quiet_logs_that_begin_a_new_file_can_still_be_read(tmp_path: Path) -> None:
    quiet = QuietLogs(tmp_path, rotate_bytes=10)
    quiet.add("attempt-1", "# peerfarm attempt attempt-1\nPROCESS START")
    quiet.rotate()
    quiet.add("attempt-2", "# peerfarm attempt attempt-2\nPROCESS START")
    quiet.close()
    again = QuietLogs(tmp_path)
    for attempt in ("attempt-1", "attempt-2"):
        part = again.read(attempt, 0, 1000)
        assert part is not None
        assert part.text.startswith(f"# peerfarm attempt {attempt}\n")
    again.close()
