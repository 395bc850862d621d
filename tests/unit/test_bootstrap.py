"""install/bootstrap.py: what a newcomer meets first, above all when something is missing."""

from __future__ import annotations

import ast
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import bootstrap
import pytest
from bootstrapping.child import run_child
from bootstrapping.environment import STAMP, SetupError, pip_hint, prepare, python_in, recipe
from bootstrapping.report import read_report
from bootstrapping.stages import Outcome, plan, run_all_stages, summarise
from bootstrapping.user_install import call_of, data_folder, install_for_user, link

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "install" / "bootstrap.py"


def start_bootstrap(before: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run bootstrap.py as a person would, in a Python in which the line `before` was carried out first."""
    code = f"import runpy, sys; {before}; sys.argv.pop(0); sys.path[0] = {str(SCRIPT.parent)!r}; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    argv = [sys.executable, "-c", code, str(SCRIPT), *arguments]
    return subprocess.run(
        argv, env=dict(os.environ) | environ, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The parts of a checkout that decide what its environment holds."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "install", root / "install", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


# Too old a Python


def test_an_old_python_is_told_which_one_is_needed_and_how_to_get_it() -> None:
    ended = start_bootstrap("sys.version_info = (3, 9, 2, 'final', 0)", "demo", PATH="/nowhere")
    assert ended.returncode == 2
    assert ended.stderr.startswith("peerfarm needs Python 3.11 or newer; this is 3.9.2 (")
    assert "apt install python3" in ended.stderr


def test_an_old_python_is_told_of_a_newer_one_on_the_same_machine() -> None:
    assert "use it: /usr/bin/python3.12 install/bootstrap.py" in bootstrap.too_old((3, 10, 1), ["/usr/bin/python3.12"])


def test_python_3_11_is_new_enough() -> None:
    assert not bootstrap.too_old((3, 11, 0), [])


def test_the_first_file_can_be_read_by_python_3_6() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))
    nodes = list(ast.walk(tree))
    annotations = [node.annotation for node in nodes if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation]
    annotations += [node.returns for node in nodes if isinstance(node, ast.FunctionDef) and node.returns]
    assert all(isinstance(annotation, ast.Constant | ast.Name) for annotation in annotations)
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"shutil", "sys"}
    assert not [node for node in tree.body if isinstance(node, ast.ImportFrom)]


# Calls


def test_a_mistyped_command_gets_the_nearest_name_and_the_usage() -> None:
    ended = start_bootstrap("pass", "dmo")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "did you mean 'demo'?" in ended.stderr
    assert "usage:" in ended.stderr


def test_help_lists_every_command() -> None:
    ended = start_bootstrap("pass", "--help")
    assert ended.returncode == 0
    assert all(f"\n  {name} " in ended.stdout for name in ("demo", "run", "install", "test", "simulate", "bench"))


# The environment


def test_a_python_without_ensurepip_is_told_what_to_install(tmp_path: Path) -> None:
    ended = start_bootstrap("sys.modules['ensurepip'] = None", "run", PEERFARM_VENV=str(tmp_path / "new"))
    assert ended.returncode == 1
    assert "has no ensurepip module" in ended.stderr
    assert "apt install python3-venv" in ended.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (tmp_path / "letter.txt").write_text("dear reader")
    ended = start_bootstrap("pass", "run", PEERFARM_VENV=str(tmp_path))
    assert ended.returncode == 1
    assert "was not made by this script, so it is left alone" in ended.stderr
    assert (tmp_path / "letter.txt").read_text() == "dear reader"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = start_bootstrap("pass", "run", PEERFARM_VENV=str(tmp_path / "file" / "venv"))
    assert ended.returncode == 1
    assert f"cannot write in {tmp_path / 'file' / 'venv'}" in ended.stderr
    assert "Set PEERFARM_VENV" in ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_unreachable_registry_is_named_with_the_end_of_what_pip_said(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": nobody, "PIP_RETRIES": "1"}
    pip |= {"PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PEERFARM_VENV": str(tmp_path / "venv")}
    ended = start_bootstrap("pass", "run", **pip)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "No matching distribution found for hatchling" in ended.stderr
    assert "The package registry cannot be reached" in ended.stderr
    again = start_bootstrap("pass", "run", **pip)
    assert again.returncode == 1
    assert "making a virtual environment" not in again.stderr


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)'", "cannot be reached"),
        ("Could not fetch URL https://pypi.org/simple/: There was a problem confirming the ssl", "cannot be reached"),
        ("ERROR: No matching distribution found for pyzmq>=26", "lacks that package"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: something new", "run the same command again"),
    ],
)
def test_each_way_that_pip_fails_gets_its_advice(output: str, advice: str) -> None:
    assert advice in pip_hint(output)


@pytest.fixture
def pip_calls(checkout: Path, tmp_path: Path) -> Path:
    """A finished environment in `checkout/.venv` whose Python writes its arguments into the file given back."""
    calls = tmp_path / "calls"
    python = python_in(checkout / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    python.chmod(0o755)
    made = '{{"environment": "{}", "python": "{}.{}"}}'.format(checkout / ".venv", *sys.version_info)
    (checkout / ".venv" / STAMP).write_text(made)
    return calls


def test_packages_are_installed_once_and_again_only_after_a_change(checkout: Path, pip_calls: Path) -> None:
    prepare(checkout, checkout / ".venv", "dev")
    assert pip_calls.read_text().rstrip().endswith(f"--editable {checkout}[dev]")
    prepare(checkout, checkout / ".venv", "dev")
    prepare(checkout, checkout / ".venv", "")
    assert len(pip_calls.read_text().splitlines()) == 1
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    prepare(checkout, checkout / ".venv", "dev")
    assert len(pip_calls.read_text().splitlines()) == 2


def test_the_demo_gets_no_development_packages_and_a_later_test_gets_them(checkout: Path, pip_calls: Path) -> None:
    prepare(checkout, checkout / ".venv", "")
    prepare(checkout, checkout / ".venv", "dev")
    calls = pip_calls.read_text().splitlines()
    assert [call.endswith("[dev]") for call in calls] == [False, True]


def test_an_artist_may_have_the_reader_of_exr_frames_installed_too(
    checkout: Path, pip_calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    data = {"XDG_DATA_HOME": str(tmp_path / "data"), "LOCALAPPDATA": str(tmp_path / "data")}
    environment = data_folder(sys.platform, data) / "venv"
    shutil.copytree(checkout / ".venv", environment)
    stamp = (environment / STAMP).read_text().replace(str(checkout / ".venv"), str(environment))
    (environment / STAMP).write_text(stamp)
    install_for_user(checkout, data)
    install_for_user(checkout, data, "preview")
    plain, more = pip_calls.read_text().splitlines()
    assert plain.endswith(f"--upgrade {checkout}")
    assert more.endswith(f"--upgrade {checkout}[preview]")


def test_a_mistyped_option_of_install_installs_nothing() -> None:
    ended = start_bootstrap("pass", "install", "--prevew")
    assert ended.returncode != 0
    assert "--preview" in ended.stdout + ended.stderr


def test_a_failed_installation_is_tried_again(checkout: Path, pip_calls: Path) -> None:
    python = python_in(checkout / ".venv")
    works = python.read_text()
    python.write_text("#!/bin/sh\necho ERROR: broken; exit 1\n")
    with pytest.raises(SetupError, match="ERROR: broken"):
        prepare(checkout, checkout / ".venv", "")
    python.write_text(works)
    prepare(checkout, checkout / ".venv", "")
    assert len(pip_calls.read_text().splitlines()) == 1


def test_the_recipe_is_the_same_with_windows_line_ends(checkout: Path) -> None:
    before = recipe(checkout)
    project = checkout / "pyproject.toml"
    project.write_bytes(project.read_bytes().replace(b"\n", b"\r\n"))
    assert recipe(checkout) == before


def test_windows_keeps_its_python_in_scripts() -> None:
    assert python_in(Path("venv"), "nt") == Path("venv/Scripts/python.exe")


# The program that is started


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)])
def test_the_exit_code_of_the_program_is_passed_on(ending: str, code: int) -> None:
    assert run_child((sys.executable, "-c", f"import os, sys; {ending}"), None, {}) == code


WRAPPED = """
import signal, subprocess, sys
from bootstrapping.child import run_child
child = '''
import os, signal
def end(number, frame):
    os.write(1, b"ended by %d" % number)
    raise SystemExit(5)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
while True:
    signal.pause()
'''
run_child((sys.executable, "-c", child), None, {})
"""


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("number", "to_group", "code"), [(signal.SIGTERM, False, 143), (signal.SIGINT, True, -2)])
def test_a_signal_lets_the_program_end_in_its_own_way_first(number: signal.Signals, to_group: bool, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRAPPED],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "install")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            if to_group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            assert process.stdout.read() == f"ended by {number:d}"
            assert process.wait() == code
        finally:
            with contextlib.suppress(ProcessLookupError):  # after a success nobody is left
                os.killpg(process.pid, signal.SIGKILL)


# The stages of `test`


@pytest.fixture
def small_checkout(tmp_path: Path) -> Path:
    """A project with one good, one bad and one skipped test."""
    unit = tmp_path / "tests" / "unit"
    unit.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["blender"]\n')
    (unit / "test_small.py").write_text(
        "import pytest\n\n\n"
        "def test_good() -> None:\n    assert True\n\n\n"
        "def test_bad() -> None:\n    assert 1 == 2\n\n\n"
        '@pytest.mark.skip(reason="no moon today")\ndef test_moon() -> None:\n    assert True\n\n\n'
        "@pytest.mark.blender\ndef test_render() -> None:\n    assert True\n"
    )
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_stage_runs_after_one_failed_and_what_was_skipped_is_named(
    small_checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = {"PATH": "/nowhere", "PEERFARM_HOME": "/nowhere"}
    assert run_all_stages(small_checkout, Path(sys.executable), (), environ) == 1
    printed = capfd.readouterr().out
    summary = printed[printed.index("== summary") :].splitlines()
    assert [line.split("  ")[-1] for line in summary[1:6] if "tests" not in line] == [
        "style: ruff check",
        "style: ruff format",
        "types: mypy",
        "layers: lint-imports",
    ]
    assert any(line.startswith("skipped: 1 tests that need Blender") for line in summary)
    assert any("test_moon: no moon today" in line for line in summary)
    assert "FAILED: tests (exit code 1)" in summary
    assert summary[-1] == "1 passed, 1 failed, 1 skipped"


def test_in_ci_anything_skipped_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(skips=["7 tests that need Blender"], passed=3)
    assert [summarise(outcome, is_ci=False), summarise(outcome, is_ci=True)] == [0, 1]
    assert "FAILED: something was skipped, which CI does not allow" in capsys.readouterr().out


def test_the_last_line_is_the_sum_of_all_tests(capsys: pytest.CaptureFixture[str]) -> None:
    summarise(Outcome(passed=426), is_ci=True)
    assert capsys.readouterr().out.splitlines()[-1] == "426 passed, 0 failed"


def test_heavy_tests_run_one_at_a_time_after_the_others(small_checkout: Path) -> None:
    (small_checkout / "tests" / "e2e").mkdir()
    (small_checkout / "tests" / "e2e" / "test_farm.py").write_text("")
    first, second = plan(small_checkout, Path(sys.executable), (), (), "5")[-2:]
    assert "--ignore=tests/e2e" in first.argv
    assert "tests/e2e" in second.argv
    assert "-n" not in second.argv


def test_a_path_among_the_arguments_narrows_the_tests_to_it(small_checkout: Path) -> None:
    stages = plan(small_checkout, Path(sys.executable), ("tests/unit/test_small.py::test_good", "-x"), (), "5")
    assert [stage.argv[3:] for stage in stages if stage.is_pytest] == [("tests/unit/test_small.py::test_good", "-x")]


def test_the_simulation_runs_with_as_many_seeds_as_asked_for(small_checkout: Path) -> None:
    (small_checkout / "tests" / "simulation").mkdir()
    (small_checkout / "tests" / "simulation" / "run.py").write_text("")
    argvs = [stage.argv[1:] for stage in plan(small_checkout, Path(sys.executable), (), (), "5")]
    assert ("tests/simulation/run.py", "--seeds", "5", "--first", "1") in argvs


def test_a_missing_report_counts_as_no_tests(tmp_path: Path) -> None:
    assert str(read_report(tmp_path / "none.xml")) == "0 passed, 0 failed"


# The command in the person's account


@pytest.mark.parametrize(
    ("system", "environ", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/peerfarm")),
        ("linux", {}, Path.home() / ".local/share/peerfarm"),
        ("darwin", {}, Path.home() / "Library/Application Support/peerfarm"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/peerfarm/peerfarm")),
    ],
)
def test_the_account_s_data_folder_is_the_system_s_usual_one(
    system: str, environ: dict[str, str], expected: Path
) -> None:
    assert data_folder(system, environ) == expected


def test_an_upgrade_moves_the_link_and_never_replaces_a_stranger_s_file(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "peerfarm"
    for version in ("old", "new"):
        (tmp_path / version).write_text("")
        link(command, tmp_path / version)
    assert command.resolve() == tmp_path / "new"
    command.unlink()
    command.write_text("mine")
    with pytest.raises(SetupError, match="is not ours"):
        link(command, tmp_path / "new")
    assert command.read_text() == "mine"


def test_the_command_is_named_in_full_unless_path_finds_it(tmp_path: Path) -> None:
    command = tmp_path / "peerfarm"
    command.write_text("")
    command.chmod(0o755)
    assert call_of(command, "/nowhere") == str(command)
    assert call_of(command, str(tmp_path)) == "peerfarm"
