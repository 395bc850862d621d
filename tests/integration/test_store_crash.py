"""Power cuts and full disks, with real processes that are killed by SIGKILL and really run out of room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peerfarm
from peerfarm.store import Doubt, open_store

OPEN = """
import os, resource, signal, sys
from pathlib import Path
from peerfarm.errors import DiskFull
from peerfarm.store import open_store
log, doubt = open_store(Path(sys.argv[1]))
def raw(seq):
    return (b"%d " % seq) * 40
"""
APPENDER = """
seq = 0
while True:
    log.append([("n", "l", seq + more, raw(seq + more)) for more in (1, 2, 3)])
    seq += 3
    print(seq, flush=True)
"""
KILLED_IN_A_WRITE = """
log.append([("n", "l", seq, raw(seq)) for seq in range(1, 101)])
log.save_snapshot([b"old"], b"old", {("n", "l"): 10})
def parts():
    for _ in range(30):
        yield bytes(1 << 20)
    print(100, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
log.save_snapshot(parts(), b"new", {("n", "l"): 100})
"""
FULL = """
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
def room(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
room(20 << 20)
seq = 0
refused = 0
while refused < 3:
    batch = [(node, "l", seq + more, os.urandom(40_000)) for more, node in enumerate(["n", "n", f"o{seq}"], 1)]
    try:
        log.append(batch)
        seq += 3
    except DiskFull as exc:
        assert "room" in exc.hint
        refused += 1
assert sorted(row[2] for row in log.rows()) == list(range(1, seq + 1)), "reads go on, and show what was kept"
try:
    log.save_snapshot([bytes(1 << 20)] * 30, b"meta", {("n", "l"): seq})
except DiskFull:
    pass
else:
    raise AssertionError("the snapshot found room")
assert log.load_snapshot() is None
assert len(log.read("n", "l", 1, seq, 1 << 40)) == seq // 3 * 2
room(hard)
log.append(batch)
assert sorted(row[2] for row in log.rows()) == list(range(1, seq + 4)), "the same write succeeds when there is room"
log.close()
print(seq + 3, flush=True)
"""


@contextmanager
def running(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(Path(peerfarm.__file__).parents[1])}
    argv = [sys.executable, "-c", OPEN + program, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], lines: int | None = None) -> list[int]:
    """The numbers that a program printed: the first `lines`, or all until it ended."""
    assert process.stdout
    return [int(line) for _, line in zip(range(lines or sys.maxsize), process.stdout, strict=False)]


def test_what_append_returned_for_is_there_after_sigkill_in_the_middle_of_appends(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    promised = 0
    for _ in range(3):
        shutil.rmtree(tmp_path)
        with running(APPENDER, path) as process:
            promised = said(process, lines=100)[-1]
            process.kill()
            promised = max([promised, *said(process)])
        log, doubt = open_store(path)
        rows = list(log.rows())
        log.close()
        assert doubt is Doubt.UNCLEAN
        assert len(rows) >= promised
        assert len(rows) % 3 == 0, "a batch is kept whole or not at all"
        assert rows == [("n", "l", seq, (b"%d " % seq) * 40) for seq in range(1, len(rows) + 1)]


def test_a_crash_before_the_commit_leaves_the_old_snapshot_and_every_row(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with running(KILLED_IN_A_WRITE, path) as process:
        assert said(process) == [100]
    log, doubt = open_store(path)
    assert doubt is Doubt.UNCLEAN
    assert [row[2] for row in log.rows()] == list(range(11, 101))
    found = log.load_snapshot()
    assert found
    assert (found[0], list(found[1])) == (b"old", [b"old"])
    log.close()


def test_a_crash_is_forgotten_once_the_next_node_closed_in_good_order(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with running(APPENDER, path) as process:
        said(process, lines=1)
    log, doubt = open_store(path)
    assert doubt is Doubt.UNCLEAN
    log.close()
    log, doubt = open_store(path)
    assert doubt is Doubt.NONE
    log.close()
    assert {file.name for file in tmp_path.iterdir()} == {"log.db", "log.db.clean"}


def test_the_wal_stays_short_however_much_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log, _ = open_store(path)
    longest = 0
    for first in range(1, 60_000, 200):
        log.append([(f"n{seq % 7}", "l", seq, bytes(400)) for seq in range(first, first + 200)])
        longest = max(longest, path.with_name("log.db-wal").stat().st_size)
    log.close()
    assert path.stat().st_size > 24 << 20
    assert longest < 16 << 20


def test_a_full_disk_refuses_the_write_keeps_reads_and_takes_it_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with running(FULL, path) as process:
        written = said(process)
        assert process.wait() == 0
    log, doubt = open_store(path)
    assert doubt is Doubt.NONE
    assert sorted(row[2] for row in log.rows()) == list(range(1, written[0] + 1))
    log.close()


def test_a_node_whose_disk_is_full_still_starts_and_reads(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with running(APPENDER, path) as process:
        promised = said(process, lines=5)[-1]
    program = f"assert len(list(log.rows())) >= {promised}; print(len(list(log.rows())))"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))\n" + OPEN
    environment = os.environ | {"PYTHONPATH": str(Path(peerfarm.__file__).parents[1])}
    argv = [sys.executable, "-B", "-c", limited + program, str(path)]
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= promised
