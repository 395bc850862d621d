"""Real processes that print, hang, crash, ignore the order to end, and leave things behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import LIMIT_S, WRITE_FRAMES, Rig, is_alive, png

from peerfarm.model.render import (
    AttemptFailed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    FailReason,
)

FOREVER = "while True: time.sleep(1)\n"
ESCAPE = """
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)
print('child', child.pid)
"""
DOUBLE_ESCAPE = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2):
            os.close(fd)
        open(os.path.join(frames or work, 'pid'), 'w').write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not os.path.exists(os.path.join(frames or work, 'pid')) or not open(os.path.join(frames or work, 'pid')).read():
    time.sleep(0.01)
print('child', open(os.path.join(frames or work, 'pid')).read())
"""
NAMELESS = """
if os.fork() == 0:
    child = subprocess.Popen(['/bin/sleep', '600'], env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print('child', child.pid)
    os._exit(0)
os.wait()
"""
ESCAPES = pytest.mark.parametrize(
    "escape", [ESCAPE, DOUBLE_ESCAPE, NAMELESS], ids=["child", "orphaned grandchild", "nameless orphan"]
)
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    output = tmp_path / "output"
    output.mkdir()
    rig = Rig(tmp_path / "home", output)
    yield rig
    rig.runner.close(LIMIT_S)


def test_verified_frames_stay_as_the_attempts_own_and_nothing_is_published(rig: Rig) -> None:
    ending = rig.run(WRITE_FRAMES, (1, 2))

    assert isinstance(ending, AttemptRendered)
    assert [(frame.name, frame.size_bytes) for frame in ending.frames] == [
        ("f_0001.png", len(png())),
        ("f_0002.png", len(png())),
    ]
    assert sorted(path.name for path in rig.own(ending.attempt).iterdir()) == ["f_0001.png", "f_0002.png"]
    assert [path.name for path in rig.output.iterdir()] == [".peerfarm"]
    assert isinstance(rig.seen[0], AttemptStarted)


def test_the_small_picture_that_a_renderer_leaves_is_kept_beside_the_log_and_nothing_else_is(rig: Rig) -> None:
    leave = "for name in ('picture.png', 'cache.tmp'):\n    open(name, 'w').write('small')\n"
    kept = rig.home / "attempts"
    ending = rig.run(WRITE_FRAMES + leave, (1,))
    assert (kept / ending.attempt / "picture.png").read_text() == "small"
    assert {path.name for path in (kept / ending.attempt).iterdir()} == {"log.txt", "frames.json", "picture.png"}

    failed = rig.run(WRITE_FRAMES + leave + "sys.exit(3)", (1,))
    linked = rig.run(WRITE_FRAMES + "os.symlink('/etc/hostname', 'picture.png')\n", (1,))
    large = rig.run(WRITE_FRAMES + "open('picture.png', 'wb').truncate(2 << 20)\n", (1,))
    for other in (failed, linked, large):
        assert not (kept / other.attempt / "picture.png").exists()


def test_a_crash_tells_the_exit_code_and_the_last_lines_and_leaves_no_frames(rig: Rig) -> None:
    ending = rig.run(WRITE_FRAMES + "print('it broke'); sys.exit(3)", (1,))

    assert isinstance(ending, AttemptFailed)
    assert (ending.reason, ending.exit_code) == (FailReason.APP_FAILED, 3)
    assert ending.last_lines == ("it broke",)
    assert not rig.own(ending.attempt).exists()


def test_a_fatal_line_fails_the_attempt_whatever_the_exit_code_says(rig: Rig) -> None:
    ending = rig.run("print('fatal the scene is empty')\n" + WRITE_FRAMES, (1,))

    assert isinstance(ending, AttemptFailed)
    assert ending.message == "the scene is empty"


def test_a_hopeless_renderer_is_ended_at_once(rig: Rig) -> None:
    ending = rig.run("print('hopeless no licence')\n" + FOREVER)

    assert isinstance(ending, AttemptFailed)
    assert ending.message == "no licence"


def test_an_attempt_that_ends_when_asked_is_stopped(rig: Rig) -> None:
    attempt = rig.start("print('ready')\n" + FOREVER, (1,))
    rig.printed(attempt, "ready")
    rig.runner.stop(attempt)

    assert isinstance(rig.ending(attempt), AttemptStopped)
    assert not rig.own(attempt).exists()


def test_a_renderer_that_ignores_the_order_to_end_is_killed(rig: Rig) -> None:
    attempt = rig.start(DEAF + "print('pid', os.getpid())\n" + FOREVER)
    pid = int(rig.printed(attempt, "pid"))
    rig.runner.stop(attempt)

    assert isinstance(rig.ending(attempt), AttemptStopped)
    assert not is_alive(pid)


@ESCAPES
@pytest.mark.parametrize("deaf", ["", DEAF], ids=["obeys", "ignores"])
def test_a_child_that_escaped_dies_with_the_attempt(rig: Rig, escape: str, deaf: str) -> None:
    attempt = rig.start(deaf + escape + FOREVER)
    pid = int(rig.printed(attempt, "child"))
    assert is_alive(pid)
    rig.runner.stop(attempt)

    assert isinstance(rig.ending(attempt), AttemptStopped)
    assert not is_alive(pid)


@ESCAPES
def test_what_a_finished_renderer_leaves_running_is_ended(rig: Rig, escape: str) -> None:
    ending = rig.run(escape + WRITE_FRAMES, (1,))

    assert isinstance(ending, AttemptRendered)
    assert not is_alive(int(rig.printed(ending.attempt, "child")))


def test_a_child_that_holds_the_output_open_does_not_hold_the_slot(rig: Rig) -> None:
    ending = rig.run("subprocess.Popen(['sleep', '600']); print('done')")

    assert isinstance(ending, AttemptRendered)
    assert isinstance(rig.run("print('next')"), AttemptRendered)


def test_stopping_one_attempt_leaves_the_other_slot_alone(rig: Rig) -> None:
    first = rig.start("print('pid', os.getpid())\n" + FOREVER, slot=0)
    second = rig.start("print('pid', os.getpid())\n" + FOREVER, slot=1)
    pids = [int(rig.printed(attempt, "pid")) for attempt in (first, second)]
    rig.runner.stop(first)
    rig.ending(first)

    assert [is_alive(pid) for pid in pids] == [False, True]


def test_a_waiting_attempt_that_is_stopped_never_starts(rig: Rig) -> None:
    first, second = rig.start(FOREVER), rig.start("print('never')")
    rig.until(lambda event: isinstance(event, AttemptStarted))
    rig.runner.stop(second)
    rig.runner.stop(first)

    assert isinstance(rig.ending(second), AttemptStopped)
    assert rig.counted("start") == [first]


def test_the_time_limit_ends_a_render_that_prints_on(rig: Rig) -> None:
    ending = rig.run("while True: print('tick'); time.sleep(0.02)", time_limit_s=0.3)

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.TIMED_OUT
    assert "time limit of 0.3 s" in ending.message


def test_the_stall_limit_ends_a_silent_render(rig: Rig) -> None:
    ending = rig.run("print('last words')\n" + FOREVER, stall_limit_s=0.4)

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.STALLED
    assert ending.last_lines == ("last words",)


def test_the_process_has_no_input_no_settings_of_ours_and_lives_in_an_empty_private_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "LD_PRELOAD_", "PEERFARM_HOME", "PEERFARM_JOIN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LD_PRELOAD", "")
    rig = Rig(tmp_path / "home", tmp_path)
    code = """
print('input', repr(sys.stdin.read()))
print('names', sorted(n for n in os.environ if n.startswith(('PYTHONPATH', 'LD_PRELOAD', 'PEERFARM', 'COLOUR'))))
print('files', os.listdir('.'), oct(os.stat('.').st_mode & 0o777), os.getcwd() == work)
print('open', sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')))
open('left', 'w')
"""
    try:
        params = {"environment": {"COLOUR": "red"}, "files": {"order.json": "{}"}}
        ending = rig.run(code, params=params)
        assert rig.printed(ending.attempt, "input") == "''"
        assert rig.printed(ending.attempt, "names") == "['COLOUR', 'LD_PRELOAD_', 'PEERFARM_ATTEMPT']"
        assert rig.printed(ending.attempt, "files") == "['order.json'] 0o700 True"
        assert rig.printed(ending.attempt, "open") == "['0', '1', '2'] 4"
        log = rig.log(ending.attempt)
        assert "COLOUR=red" in log
        assert "PEERFARM_JOIN" in log
        assert "secret" not in log
        again = rig.run(code, params={**params, "files": {}})
        assert rig.printed(again.attempt, "files") == "[] 0o700 True"
    finally:
        rig.runner.close(LIMIT_S)


def test_a_long_render_gives_way_to_the_artists_programs(rig: Rig) -> None:
    attempt = rig.start("print('ready')\n" + FOREVER)
    pid = rig.until(lambda event: isinstance(event, AttemptStarted)).pid
    wanted = min(19, os.nice(0) + 10)
    rig.settled(attempt)
    assert os.getpriority(os.PRIO_PROCESS, pid) == wanted
    rig.runner.stop(attempt)
    rig.ending(attempt)


def test_closing_stops_what_runs(rig: Rig) -> None:
    attempt = rig.start(DEAF + "print('pid', os.getpid())\n" + FOREVER)
    pid = int(rig.printed(attempt, "pid"))
    rig.runner.close(LIMIT_S)

    assert not is_alive(pid)
    assert isinstance(rig.ending(attempt), AttemptStopped)
