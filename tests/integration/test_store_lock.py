"""One node per home, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import peerfarm
from peerfarm.errors import ConfigError
from peerfarm.store import HomeLock

HOLDER = """
import sys
from pathlib import Path
from peerfarm.store import HomeLock
lock = HomeLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(peerfarm.__file__).parents[1])}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_node_on_the_same_home_is_told_the_first_ones_pid_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "node.lock"
    with start_holder(path) as holder:
        with pytest.raises(ConfigError) as caught:
            HomeLock(path)
        assert str(caught.value) == f"another node (pid {holder.pid}) already uses this home"
        assert "peerfarm stop" in caught.value.hint
        assert "PEERFARM_HOME" in caught.value.hint
        holder.kill()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "node.lock"
    with start_holder(path) as holder:
        holder.kill()
        holder.wait()
        with HomeLock(path):
            assert path.read_text() == str(os.getpid())


def test_a_renderer_that_outlives_its_node_does_not_hold_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "node.lock"
    lock = HomeLock(path)
    renderer = [sys.executable, "-c", "import sys; print('rendering', flush=True); sys.stdin.read()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(renderer, stdin=pipe, stdout=pipe, close_fds=False) as process:
        assert process.stdout
        assert process.stdout.readline() == b"rendering\n"
        lock.release()
        HomeLock(path).release()
        assert process.poll() is None
        process.kill()


def test_a_released_home_can_be_used_again(tmp_path: Path) -> None:
    path = tmp_path / "new home" / "node.lock"
    with HomeLock(path) as lock, pytest.raises(ConfigError, match=f"pid {os.getpid()}"):
        HomeLock(path)
    lock.release()
    HomeLock(path).release()


def test_a_place_where_no_lock_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be made"):
        HomeLock(tmp_path / "file" / "node.lock")
