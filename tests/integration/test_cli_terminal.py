"""The command as a process of its own: what it imports, terminals, pipes, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_rig import (
    ANSWERS,
    CORE,
    DONE,
    JOB,
    SUMMARY,
    Renders,
    run_on_terminal,
    run_peerfarm,
)
from fake_node import FakeNode


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, ANSWERS) as fake:
        yield fake


def test_quick_commands_import_nothing_heavy(node: FakeNode, tmp_path: Path) -> None:
    code = (
        "import sys; from peerfarm.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'zmq', 'msgpack', 'yaml', 'sqlite3', 'platformdirs', 'asyncio', 'subprocess', 'hypothesis'};"
        "print('HEAVY', sorted(heavy & set(sys.modules))); sys.exit(code)"
    )
    for argv in (["status"], ["nodes"], ["jobs"], ["job", "sea"], ["cancel", "sea"], ["log", "sea"]):
        ended = run_peerfarm(tmp_path, *argv, code=code)
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "HEAVY []"), ended.stderr


def test_a_name_that_the_terminal_cannot_show_stops_no_command(node: FakeNode, tmp_path: Path) -> None:
    ended = run_peerfarm(tmp_path, "jobs")
    assert ended.returncode == 0, ended.stderr
    assert "sea" in ended.stdout


def test_output_that_nobody_reads_is_no_traceback(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [SUMMARY] * 5000}
    code = (
        "import os, sys; from peerfarm.cli.main import main;"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1); sys.exit(main(['jobs']))"
    )
    ended = run_peerfarm(tmp_path, code=code)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 1


def test_a_terminal_gets_a_progress_bar_that_is_gone_at_the_end(node: FakeNode, tmp_path: Path) -> None:
    node.answers["job"] = Renders(JOB, DONE)
    said = run_on_terminal(tmp_path, "job", "sea", "--watch", NO_COLOR="1")
    assert "\r██████░░░░░░░░░░░░░░░░░░  25 %  sea ?[31m波 15/60 frames, 2 rendering, 1 failed" in said
    assert said.endswith(" \rsea ?[31m波 done: 60 frames in /projects/frames\r\n")


def test_a_terminal_without_room_for_a_bar_gets_all_the_words(node: FakeNode, tmp_path: Path) -> None:
    home = {"tasks": 3, "rendered": 0, "done_bytes": 21e6, "total_bytes": 45e6, "rate_bytes_s": 2e6, "left_s": 12}
    node.answers["job"] = Renders({**JOB, "file_transfer": {"mode": "peers", "frames": home}}, DONE)
    said = run_on_terminal(tmp_path, "job", "sea", "--watch", NO_COLOR="1")
    words = "sea ?[31m波 15/60 frames, 2 rendering, 1 failed, frames: 21 MB of 45 MB, 2.0 MB/s, 12 s left"
    assert f"\r 25 %  {words}\r" in said


def test_colours_are_for_terminals_whose_user_wants_them(node: FakeNode, tmp_path: Path) -> None:
    assert "\x1b[32mlive\x1b[0m" in run_on_terminal(tmp_path, "nodes")
    assert "\x1b" not in run_on_terminal(tmp_path, "nodes", NO_COLOR="1")
    assert "\x1b" not in run_on_terminal(tmp_path, "nodes", TERM="dumb")
    assert "\x1b" not in run_on_terminal(tmp_path, "nodes", "--json")


def test_ctrl_c_ends_a_wait_with_130_and_the_job_goes_on(node: FakeNode, tmp_path: Path) -> None:
    views = Renders(JOB)
    node.answers["job"] = views
    environ = dict(os.environ) | {
        "PEERFARM_HOME": str(tmp_path),
        "PYTHONPATH": str(CORE),
    }
    argv = [sys.executable, "-m", "peerfarm", "job", "sea", "--watch"]
    with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as command:
        assert views.looked.wait(20)
        assert command.stderr is not None
        assert "25 %" in command.stderr.readline()
        command.send_signal(signal.SIGINT)
        said = command.stderr.read()
    assert command.returncode == 130
    assert "the job goes on" in said
    assert "Traceback" not in said
