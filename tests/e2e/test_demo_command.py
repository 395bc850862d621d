"""`peerfarm demo` as a newcomer calls it: real nodes, one of them killed, every frame there at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.images import check_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMMAND = (sys.executable, "-m", "peerfarm", "demo")
NODES = ("oak", "elm", "fir")


def demo(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end; its temporary files go below the test's folder."""
    command = [*COMMAND, *arguments, "--output", str(tmp_path / "out")]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def names_in(directory: Path) -> set[str]:
    """What lies in a directory."""
    return {path.name for path in directory.iterdir()}


def processes_in(directory: Path) -> list[str]:
    """Command lines of all processes that work for a node whose home lies there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked
        if str(directory).encode() in variables and "peerfarm" in words:
            found.append(words)
    return found


@pytest.mark.parametrize("kill", ["worker", "submitter", "server", "none"])
def test_every_frame_arrives_once_whoever_is_killed(tmp_path: Path, kill: str) -> None:
    done = demo(tmp_path, "--app", "ocean", "--frames", "1-12", "--kill", kill, "--json")
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert report["app"] == "ocean"
    assert (report["frames_expected"], report["frames_valid"], report["duplicate_starts"]) == (12, 12, 0)
    assert (
        report["killed"]
        in {
            "worker": ("elm", "fir"),
            "submitter": ("oak",),
            "server": ("server",),
            "none": (None,),
        }[kill]
    )
    survivors = {name for name in report["nodes"] if name != report["killed"]}
    assert survivors == set(report["state_hashes"])
    assert len(set(report["state_hashes"].values())) == 1
    assert 0 < report["first_start_s"] < report["makespan_s"]
    assert report["render_s"] > 0
    assert sum(report["frames_by_node"].values()) == 12
    names = {f"demo_{frame:04d}.png" for frame in range(1, 13)}
    assert {*names, "contact_sheet.png"} == names_in(Path(report["output"]))


def test_contact_sheet_is_one_complete_picture_of_all_frames(tmp_path: Path) -> None:
    done = demo(tmp_path, "--app", "ocean", "--frames", "1-4", "--chunk", "1", "--kill", "none", "--json")
    sheet = Path(json.loads(done.stdout)["contact_sheet"])
    with sheet.open("rb") as stream:
        info = check_image(stream, sheet.stat().st_size, sheet.name)
    assert info.format == "PNG"
    assert info.width > info.height > 180


def test_demo_tells_in_plain_sentences_what_happens_and_leaves_only_frames(tmp_path: Path) -> None:
    done = demo(tmp_path, "--app", "ocean", "--frames", "1-12")
    assert done.returncode == 0, done.stderr
    assert "Starting 3 nodes on this machine: oak, elm and fir." in done.stdout
    assert "was killed while it rendered" in done.stdout
    assert "12 frames verified" in done.stdout
    assert str(tmp_path / "out" / "contact_sheet.png") in done.stdout
    assert names_in(tmp_path) == {"out"}
    assert processes_in(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_ends_its_nodes_and_removes_their_homes(tmp_path: Path, number: signal.Signals) -> None:
    command = [*COMMAND, "--app", "ocean", "--output", str(tmp_path / "out")]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        told = next((line for line in run.stdout if "submitted to oak" in line), "")
        assert told
        assert processes_in(tmp_path)
        run.send_signal(number)
        run.communicate()
    assert run.returncode == 130
    assert names_in(tmp_path) == {"out"}
    assert processes_in(tmp_path) == []


def test_frames_of_an_earlier_demo_never_count_as_new_ones(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    old = tmp_path / "out" / "demo_0001.png"
    old.write_bytes(b"not an image")
    done = demo(tmp_path, "--app", "ocean", "--frames", "1-2", "--kill", "none", "--json")
    assert json.loads(done.stdout)["frames_valid"] == 2
    assert "1 frame of an earlier demo removed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--frames", "5-1"), "backwards"),
        (("--frames", "1:5"), "1:5"),
        (("--scene", "/nowhere/shot.blend"), "there is no scene file /nowhere/shot.blend"),
        (("--nodes", "0"), "--nodes 0 is not between 1 and"),
        (("--nodes", "1"), "leaves nobody to render"),
        (("--chunk", "0"), "--chunk 0 is less than 1"),
        (("--app", "ocean", "--scene", __file__), "renders no scene file"),
        (("--output", f"{__file__}/out"), "cannot be used"),
    ],
)
def test_wrong_wish_is_refused_with_a_reason_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [*COMMAND, "--output", str(tmp_path / "out"), *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words in json.loads(done.stdout)["error"]["message"]
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert names_in(tmp_path) <= {"out"}
