"""Files that travel, as the commands show them: who fetches, how far, what is missing, how full the store is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_rig import ANSWERS, DONE, JOB, JOB_ID, NODE, Renders, Said, in_background
from fake_node import NODE_ID, FakeNode

from peerfarm.cli.main import main

HOW_FAR = {"progress": 0.43, "done_bytes": 120e6, "total_bytes": 280e6, "rate_bytes_s": 11e6, "left_s": 15}
WAVE = {"node": NODE_ID, "name": "wave", **HOW_FAR}
TIDE = {
    "node": "t" * 16,
    "name": "tide\x1b[2J",
    **dict.fromkeys(("done_bytes", "total_bytes", "rate_bytes_s", "left_s")),
    "progress": 0.1,
}
HOME = {"tasks": 3, "rendered": 2, "done_bytes": 21e6, "total_bytes": 45e6, "rate_bytes_s": 2e6, "left_s": 12}
WAITS = "waits for files of a.blend: no machine that can be reached holds 1 of its 5 files; elm (off for 2 min) does"


def with_files(**transfer: Any) -> dict[str, Any]:
    full = {"mode": "peers", "fetching": [], "single": None, **transfer}
    return {**JOB, "tasks": {**JOB["tasks"], "leased": 0}, "eta_s": None, "file_transfer": full}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, ANSWERS) as fake:
        yield fake


def test_a_job_shows_who_fetches_its_files_and_how_far_each_is(node: FakeNode, capsys: Said) -> None:
    node.answers["job"] = with_files(fetching=[WAVE, TIDE])
    assert main(["job", "sea"]) == 0
    out = capsys.readouterr().out
    assert "  files on their way to 2 nodes:\n" in out
    assert "    wave: 43 %, 120 MB of 280 MB, 11 MB/s, 15 s left\n" in out
    assert "    tide?[2J: 10 %\n" in out


def test_a_job_says_which_frames_exist_on_one_node_only(node: FakeNode, capsys: Said) -> None:
    node.answers["job"] = with_files(single={"name": "wave", "frames": 5})
    assert main(["job", "sea"]) == 0
    words = "5 frames exist on one node only (wave): keep it running until another joins or they are fetched"
    assert f"  {words}\n" in capsys.readouterr().out


def test_a_job_names_the_nodes_that_cannot_take_part_unless_that_is_what_it_waits_for(
    node: FakeNode, capsys: Said
) -> None:
    full = "no room for 4 GB on the disk of /home. Make room on it."
    node.answers["job"] = with_files(stuck=[{"node": NODE_ID, "name": "tide\x1b[2J", "error": full}])
    assert main(["job", "sea"]) == 0
    assert f"  tide?[2J cannot take part: {full}\n" in capsys.readouterr().out
    node.answers["job"] |= {"waits": f"waits for files of a.blend: tide: {full}", "error": f"tide: {full}"}
    assert main(["job", "sea"]) == 0
    out = capsys.readouterr().out
    assert (out.count(full), "cannot take part" in out) == (1, False)


def test_a_job_names_the_missing_frames_of_each_step_and_who_is_waited_for(node: FakeNode, capsys: Said) -> None:
    names = [f"f_{frame:04}.png" for frame in range(3, 9)]
    rendered = {"count": 4, "names": names[:4], "waits_for": ["elm", "ash"]}
    missing = {"count": 6, "names": names, "directory": "/out", "rendered": rendered}
    node.answers["job"] = {**JOB, "steps": [{**JOB["steps"][0], "missing": missing}]}
    assert main(["job", "sea"]) == 0
    out = capsys.readouterr().out
    assert "missing in /out: 4 frames: f_0003.png, f_0004.png, f_0005.png, … (waiting for elm and ash)\n" in out
    assert "missing in /out: 2 frames: f_0007.png, f_0008.png (not rendered)\n" in out


@pytest.mark.parametrize(("waits", "words"), [("", "rendered, on their way"), ("the folder is gone", "rendered")])
def test_frames_are_said_to_be_on_their_way_only_when_nothing_hinders_them(
    node: FakeNode, capsys: Said, waits: str, words: str
) -> None:
    rendered = {"count": 1, "names": ["f_0001.png"], "waits_for": []}
    missing = {"count": 1, "names": ["f_0001.png"], "directory": "/out", "rendered": rendered}
    node.answers["job"] = {**JOB, "waits": waits, "steps": [{**JOB["steps"][0], "missing": missing}]}
    assert main(["job", "sea"]) == 0
    assert f"missing in /out: 1 frame: f_0001.png ({words})\n" in capsys.readouterr().out


def test_a_complete_output_folder_is_not_mentioned(node: FakeNode, capsys: Said) -> None:
    node.answers["job"] = {**JOB, "steps": [{**JOB["steps"][0], "missing": {"count": 0, "names": []}}]}
    assert main(["job", "sea"]) == 0
    assert "missing" not in capsys.readouterr().out


def test_nodes_and_status_show_what_is_fetched_and_how_full_the_store_is(node: FakeNode, capsys: Said) -> None:
    row = {**NODE, "fetching": [{"job": JOB_ID, "job_name": "sea", **HOW_FAR}]}
    node.answers["nodes"] = {"nodes": [row]}
    store = {"used_bytes": 12_300_000_000, "pinned_bytes": 3_100_000_000, "quota_bytes": 50_000_000_000}
    node.answers["status"] = {**ANSWERS["status"], "node": row, "store": store}
    assert main(["nodes"]) == 0
    assert f"{JOB_ID} 43 %, 120 MB of 280 MB, 11 MB/s, 15 s left" in capsys.readouterr().out
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "files: 12 GB of 50 GB, 3.1 GB needed by jobs\n" in out
    assert "  fetching files of sea: 43 %, 120 MB of 280 MB, 11 MB/s, 15 s left\n" in out


def test_following_a_job_shows_its_files_on_their_way(
    node: FakeNode, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peerfarm.cli.watch.ASK_EVERY_S", 1000.0)
    views = Renders(with_files(fetching=[TIDE]), DONE)
    node.answers["job"] = views
    ended = in_background(["job", "sea", "--watch"])
    assert views.looked.wait(10)
    told = {"job": JOB_ID, "node": NODE_ID, "name": "wave"}
    node.push({"type": "scene/progress", **told, **HOW_FAR})
    node.push({"type": "scene/progress", **told, **HOW_FAR, "done_bytes": 224e6})
    node.push({"type": "scene/ended", **told, "error": ""})
    node.push({"type": "job/done", "job": JOB_ID, "published": True})
    assert ended() == 0
    err = capsys.readouterr().err
    assert "15/60 frames, 1 failed, files: tide?[2J 10 %\n" in err
    assert "files: wave 80 %, tide?[2J 10 %, 15 s left\n" in err
    assert err.count("files: tide?[2J 10 %\n") == 2


def test_a_job_shows_how_far_its_frames_are_on_their_way_home(node: FakeNode, capsys: Said) -> None:
    node.answers["job"] = with_files(frames=HOME)
    assert main(["job", "sea"]) == 0
    assert "  frames on their way here: 3 tasks, 21 MB of 45 MB, 2.0 MB/s, 12 s left\n" in capsys.readouterr().out


def test_following_a_job_shows_its_frames_on_their_way_home(
    node: FakeNode, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peerfarm.cli.watch.ASK_EVERY_S", 1000.0)
    view = with_files(frames=HOME, copies={"waiting": 1, "kept": 0, "single": 0})
    views = Renders({**view, "tasks": {**view["tasks"], "leased": 4}}, DONE)
    node.answers["job"] = views
    ended = in_background(["job", "sea", "--watch"])
    assert views.looked.wait(10)
    told = {"type": "frames/progress", "job": JOB_ID, **HOME}
    node.push({**told, "tasks": 1, "rendered": 0, "done_bytes": 40.5e6, "left_s": 3})
    node.push({**told, "tasks": 1, "rendered": 0, "done_bytes": 44.9e6, "left_s": 1})
    node.push({"type": "job/done", "job": JOB_ID, "published": True})
    assert ended() == 0
    err = capsys.readouterr().err
    assert "15/60 frames, 1 rendering, 1 failed, frames: 21 MB of 45 MB, 2.0 MB/s, 12 s left\n" in err
    assert "15/60 frames, 3 rendering, 1 failed, frames: 40 MB of 45 MB, 2.0 MB/s, 3.0 s left\n" in err
    assert err.count("frames: ") == 2, "what arrives in a moment is not spoken of"


def test_following_a_job_says_once_why_it_waits(node: FakeNode, capsys: Said) -> None:
    waiting = with_files()
    later = WAITS.replace("2 min", "3 min")
    node.answers["job"] = Renders({**waiting, "waits": WAITS}, {**waiting, "waits": later}, DONE)
    ended = in_background(["job", "sea", "--watch"])
    assert ended() == 0
    err = capsys.readouterr().err
    assert f"{WAITS}\n" in err
    assert err.count("waits for files") == 1
