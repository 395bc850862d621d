"""Real processes that print, hang, crash, ignore the order to end, and leave things behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import LIMIT_S, PYTHON, WRITE_FRAMES, Rig, is_alive, png, wait_for

from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    Capability,
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
    attempt = rig.start("print('café ' * 3)\n" + FOREVER)
    rig.printed(attempt, "café")
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


def test_progress_is_told_the_first_and_the_last_always_and_few_between(rig: Rig) -> None:
    rig.run("for n in range(1001): print('progress', n / 1000)")

    told = [event.fraction for event in rig.seen if isinstance(event, AttemptProgressed)]
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert len(told) < 100


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
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, pid) == wanted)
    rig.runner.stop(attempt)
    rig.ending(attempt)


def test_success_without_frames_names_the_missing_one(rig: Rig) -> None:
    ending = rig.run("print('all fine')", (1, 2))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.OUTPUT_MISSING
    assert "f_0001.png is missing" in ending.message


def test_a_frame_of_another_format_is_named(rig: Rig) -> None:
    ending = rig.run("open(frames + '/f_0001.exr', 'wb').write(b'x')", (1,))

    assert isinstance(ending, AttemptFailed)
    assert "f_0001.exr instead" in ending.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"open(frames + '/f_0001.png', 'wb').write({png()[:-20]!r})", "f_0001.png"),
        ("open(frames + '/f_0001.png', 'wb')", "is empty"),
        (f"open(frames + '/f_0001.png', 'wb').write({png(8, 3)!r})", "is 8x3, and 4x3 was asked for"),
        ("os.symlink('/etc/hostname', frames + '/f_0001.png')", "cannot be read"),
        ("os.mkfifo(frames + '/f_0001.png')", "not a plain file"),
        ("os.mkdir(frames + '/f_0001.png')", "cannot be read: it is not a plain file"),
        (
            f"p = frames + '/f_0001.png'; open(p, 'wb').write({png()!r}); os.utime(p, (1e9, 1e9))",
            "older than the render",
        ),
    ],
    ids=["truncated", "empty", "wrong size", "link", "pipe", "directory", "old"],
)
def test_a_frame_that_is_not_as_it_should_be_fails_the_attempt(rig: Rig, code: str, words: str) -> None:
    ending = rig.run(code, (1,))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.OUTPUT_MISSING
    assert words in ending.message
    assert not rig.own(ending.attempt).exists()


def test_a_full_disk_is_told_as_such(rig: Rig) -> None:
    ending = rig.run("open('/dev/full', 'wb', buffering=0).write(b'frame')", (1,))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.DISK_FULL
    assert str(rig.output) in ending.message


@pytest.mark.parametrize("make", ["outside", "link"])
def test_an_output_outside_the_roots_is_refused_with_the_settings_name(rig: Rig, tmp_path: Path, make: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside
    if make == "link":
        target = rig.output / "inside"
        target.symlink_to(outside)
    ending = rig.run(WRITE_FRAMES, (1,), output_dir=str(target))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.NOT_ALLOWED
    for words in ("`roots`", "oak", str(target)):
        assert words in ending.message
    assert list(outside.iterdir()) == []
    assert rig.counted("start") == []


def test_a_hidden_directory_that_leads_elsewhere_is_refused(rig: Rig, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (rig.output / ".peerfarm").symlink_to(outside)

    assert rig.run(WRITE_FRAMES, (1,)).reason == FailReason.NOT_ALLOWED


def test_a_path_among_the_parameters_must_lie_below_a_root_until_it_is_allowed(rig: Rig, tmp_path: Path) -> None:
    params = {"paths": [str(tmp_path / "textures")]}

    assert rig.run("", params=params).reason == FailReason.NOT_ALLOWED
    rig.runner.allow_root(str(tmp_path))
    assert isinstance(rig.run("", params=params), AttemptRendered)


def test_a_missing_scene_is_named_before_anything_starts(rig: Rig) -> None:
    scene = str(rig.output / "gone.blend")
    ending = rig.run("", params={"scene": scene, "paths": [scene]})

    assert isinstance(ending, AttemptFailed)
    assert scene in ending.message
    assert rig.counted("start") == []


def test_an_output_that_is_a_file_is_refused_in_words(rig: Rig) -> None:
    (rig.output / "taken").write_text("x")
    ending = rig.run(WRITE_FRAMES, (1,), output_dir=str(rig.output / "taken"))

    assert ending.reason == FailReason.NOT_ALLOWED
    assert "is a file" in ending.message


def test_a_root_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path / "share")
    try:
        ending = rig.run(WRITE_FRAMES, (1,))
        assert ending.reason == FailReason.NOT_ALLOWED
        assert "mounted" in ending.message
    finally:
        rig.runner.close(LIMIT_S)


def test_a_program_that_is_gone_is_app_not_found(rig: Rig) -> None:
    task = rig.task("")
    rig.runner.start(0, task, Capability("script", "", "/nowhere/renderer"))

    ending = rig.ending(task.attempt)
    assert ending.reason == FailReason.APP_NOT_FOUND
    assert "/nowhere/renderer" in ending.message


def test_a_bug_in_an_apps_reader_fails_its_attempt_and_leaves_the_slot_working(rig: Rig) -> None:
    ending = rig.run("print('raise a bug'); print('pid', os.getpid())\n" + FOREVER)

    assert ending.reason == FailReason.INTERNAL
    assert "a bug" in ending.message
    assert isinstance(rig.run("print('next')"), AttemptRendered)


def test_a_nul_in_the_command_line_is_told(rig: Rig) -> None:
    ending = rig.run("print('a\0b')")

    assert ending.reason == FailReason.APP_FAILED
    assert "command line" in ending.message


@pytest.mark.parametrize("label", ["../../etc", "a/b", "", ".", "x\0"])
def test_a_name_that_leads_elsewhere_is_no_attempt(rig: Rig, label: str) -> None:
    assert rig.runner.read_log(label, 0, 100) is None
    task = rig.task("", attempt=label)
    rig.runner.start(0, task, PYTHON)
    assert rig.ending(label).reason == FailReason.INTERNAL


def test_closing_stops_what_runs(rig: Rig) -> None:
    attempt = rig.start(DEAF + "print('pid', os.getpid())\n" + FOREVER)
    pid = int(rig.printed(attempt, "pid"))
    rig.runner.close(LIMIT_S)

    assert not is_alive(pid)
    assert isinstance(rig.ending(attempt), AttemptStopped)
