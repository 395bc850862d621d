"""What the After Effects panel shows: the network preference, the farm, the jobs, and itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from aftereffects_answers import ANSWERS, row
from aftereffects_picture import picture
from aftereffects_project import shot
from aftereffects_rig import PLUGIN, AfterEffects
from fake_node import FakeNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path, ANSWERS) as node:
        yield node


# The network preference


V1, V2 = "Main Pref Section", "Main Pref Section v2"


@pytest.mark.parametrize(
    "places",
    [
        [(V1, "MACHINE_SPECIFIC")],
        [(V2, "MACHINE_SPECIFIC")],
        [(V1, "MACHINE_INDEPENDENT")],
        [(V2, "MACHINE_SPECIFIC", "stale"), (V1, "MACHINE_INDEPENDENT")],
    ],
)
def test_a_closed_network_is_explained_and_noticed_when_it_is_opened(
    node: FakeNode, tmp_path: Path, places: list[tuple[str, ...]]
) -> None:
    kept = [{"section": one[0], "kind": one[1], "isStale": len(one) > 2} for one in places]
    with AfterEffects(tmp_path, None, networkAllowed=False, preferences=kept) as ae:
        assert "Allow Scripts to Write Files and Access Network" in ae.text()
        assert cut_off(ae) == []
        ae.tick()
        assert node.asked == []
        ae.press("Refresh")
        assert ae.commands == []  # After Effects opens nothing from within a button's own turn
        ae.tick()
        assert ae.commands == [3131]
        ae.do("allow", network=True)
        ae.tick()
        assert "studio: 2 nodes, 1 rendering, 1 with After Effects" in ae.text()
        assert "Allow Scripts" not in ae.text()


def test_where_the_preference_is_found_nowhere_the_panel_just_tries(node: FakeNode, tmp_path: Path) -> None:
    with AfterEffects(tmp_path, None, preferences=[]) as ae:
        assert "studio: 2 nodes" in ae.text()


def cut_off(ae: AfterEffects) -> list[str]:
    """Sentences that do not fit where they stand, at 6.3 by 16 pixels a letter."""
    shown = [one for one in ae.widgets() if one["type"] == "statictext" and one["size"]]
    assert len(shown) >= 3
    return [one["text"] for one in shown if len(one["text"]) * 6.3 / one["size"][0] > one["size"][1] // 16]


# The farm


def test_the_farm_and_the_newest_jobs_are_shown(node: FakeNode, tmp_path: Path) -> None:
    jobs = [
        row(1),
        row(2, status="failed", error="no licence"),
        row(3, status="done", published=1, is_published=False),
        row(4, status="done", published=4, is_published=True, eta_s=None),
    ]
    node.answers["jobs"] = {"jobs": jobs, "total": 10_000}
    with AfterEffects(tmp_path, None) as ae:
        assert ae.rows() == [
            ["shot 1", "█░░░░░ 25 %", "rendering, 2 min left"],
            ["shot 2", "█░░░░░ 25 %", "failed: no licence"],
            ["shot 3", "█░░░░░ 25 %", "done, frames on their way, 2 min left"],
            ["shot 4", "█░░░░░ 25 %", "done"],
        ]
        assert "and 9996 older" in ae.text()
        assert ae.cost.requests == 4  # hello, status, jobs and the newest one's picture
    assert node.params_of("jobs") == {"limit": 20, "mine": True}


def test_a_chosen_job_stays_chosen_while_the_list_changes(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [row(1), row(2)], "total": 2}
    with AfterEffects(tmp_path, None) as ae:
        ae.choose(1)
        node.answers["jobs"] = {"jobs": [row(3), row(1), row(2, progress=0.5)], "total": 3}
        ae.tick()
        node.answers["pause"] = {"job": row(2)}
        ae.press("Pause")
        assert node.params_of("pause") == {"job": "job2"}
        assert "Paused: shot 2." in ae.text()


def test_a_machine_without_a_farm_is_told_how_to_get_one(node: FakeNode, tmp_path: Path) -> None:
    node.answers["status"] = {"farm": None, "alarms": []}
    with AfterEffects(tmp_path, None) as ae:
        assert "belongs to no farm yet: run `peerfarm init` or `peerfarm join`" in ae.text()


def test_names_in_any_writing_are_shown_as_they_are(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {
        "jobs": [row(1, name="Größe 日本 😀 \u2028", status="failed", error="fällt aus")],
        "total": 1,
    }
    with AfterEffects(tmp_path, None) as ae:
        assert ae.rows() == [["Größe 日本 😀 \u2028", "█░░░░░ 25 %", "failed: fällt aus"]]


def test_nothing_is_asked_that_grows_with_the_farm(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [row(number) for number in range(20)], "total": 10_000}
    node.answers["log"] = {"text": "drawn"}
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        for _ in range(3):
            ae.tick()
        ae.choose(3)
        ae.press("Show log")
    assert set(node.methods()) == {"hello", "status", "jobs", "thumbnail", "log"}
    assert node.params_of("jobs") == {"limit": 20, "mine": True}
    assert node.params_of("log")["tail"] == 16000


def test_a_log_is_read_in_a_window_that_scrolls(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [row(1)], "total": 1}
    node.answers["log"] = {"text": "line\n" * 900}
    with AfterEffects(tmp_path, None) as ae:
        ae.choose(0)
        ae.press("Show log")
        assert ae.asked == ["shot 1: " + "line\n" * 900]


# The panel itself


def test_a_panel_that_is_opened_again_replaces_the_former(node: FakeNode, tmp_path: Path) -> None:
    with AfterEffects(tmp_path, None) as ae:
        ae.do("open")
        assert ae.windows == 2
        ae.tick()
        assert ae.due == [3000]


def test_a_closed_panel_asks_nothing_any_more(node: FakeNode, tmp_path: Path) -> None:
    with AfterEffects(tmp_path, None) as ae:
        ae.do("close")
        ae.tick()
        assert ae.cost.requests == 0
        assert ae.due == []


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (
            ["C:\\Py thon\\python.exe", "-m"],
            'cmd.exe /c "set "H=D:\\x y" & start "peerfarm" /b "C:\\Py thon\\python.exe" "-m""',
        ),
        (["100%.exe"], None),
        (['a"&calc"'], None),
    ],
)
def test_the_start_command_of_windows_holds_nothing_that_its_shell_reads_otherwise(
    tmp_path: Path, argv: list[str], command: str | None
) -> None:
    with AfterEffects(tmp_path, None) as ae:
        given = f"{json.dumps(argv)}, {json.dumps({'H': 'D:' + chr(92) + 'x y'})}, true"
        assert ae.do("evaluate", code=f"$.global.peerfarm.command({given})") == command


@pytest.mark.parametrize("text", ['"a\\u00e9\\n\\"\\\\"', "[1,-2.5,1e3,true,false,null]", '{"a":{"b":[]},"c":"ü€😀"}'])
def test_what_the_panel_reads_it_writes_back_the_same(tmp_path: Path, text: str) -> None:
    with AfterEffects(tmp_path, None) as ae:
        there = ae.do("evaluate", code=f"$.global.peerfarm.json.write($.global.peerfarm.json.read({json.dumps(text)}))")
    assert there.isascii()
    assert json.loads(there) == json.loads(text)


def test_the_picture_of_the_readme_shows_the_panel_as_it_is(tmp_path: Path) -> None:
    kept = (PLUGIN / "panel.svg").read_text("utf-8")
    found = re.search(r"base64,([^\"]+)", kept)
    assert found is not None
    drawn = picture(tmp_path, base64.b64decode(found[1]))
    assert kept == drawn, "run python tests/plugins/aftereffects_picture.py and look at the picture"
    assert "Drawn, no screenshot" in (PLUGIN / "README.md").read_text("utf-8")
