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
from runner_rig import JOB, LIMIT_S, WRITE_FRAMES, Rig, is_alive, wait_for

from peerfarm.model.render import AttemptRendered

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
attempt = rig.start(code, (1,))
print(rig.printed(attempt, 'pids'), flush=True)
time.sleep(600)
"""


@pytest.fixture
def dead_node(tmp_path: Path) -> Iterator[list[int]]:
    """The pids that a node killed in the middle of a render left running."""
    here = Path(__file__).parent
    (tmp_path / "output").mkdir()
    places = [str(here), str(here.parents[1] / "core"), str(tmp_path / "home"), str(tmp_path / "output")]
    with subprocess.Popen([sys.executable, "-c", NODE, *places], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        pids = [int(pid) for pid in node.stdout.readline().split()]
        starts = tmp_path / "home" / "attempts" / "starts.jsonl"
        wait_for(lambda: '"alive"' in starts.read_text())
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
        assert not rig.own("attempt-1").exists()
        assert "lost: the node ended while this ran" in rig.log("attempt-1")
        part = rig.runner.read_log("attempt-1", -10, 100)
        assert part is not None
        assert part.is_complete
        assert rig.counted("start") == rig.counted("end") == ["attempt-1"]
        assert rig.runner.clean_leftovers() == 0
        assert isinstance(rig.run("print('fine')", attempt="attempt-2"), AttemptRendered)
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
        wait_for(lambda: not rig.own(ending.attempt).exists())
        assert "rendered" in rig.log(ending.attempt)
    finally:
        rig.runner.close(LIMIT_S)


def test_old_logs_go_and_new_ones_and_frames_stay(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path)
    try:
        old, framed, new = (rig.run("print(1)"), rig.run("print(1)\n" + WRITE_FRAMES, (1,)), rig.run("print(1)"))
        long_ago_s = time.time() - 8 * 86400
        for ending in (old, framed):
            os.utime(tmp_path / "home" / "attempts" / ending.attempt / "log.txt", (long_ago_s, long_ago_s))
        rig.runner.prune(7)
        wait_for(lambda: rig.runner.read_log(framed.attempt, 0, 10) is None)
        assert rig.runner.read_log(old.attempt, 0, 10) is None
        assert rig.own(framed.attempt).exists()
        assert "rendered" in rig.log(new.attempt)
        rig.runner.forget([framed.attempt, "../output"])
        wait_for(lambda: not rig.own(framed.attempt).exists())
    finally:
        rig.runner.close(LIMIT_S)
