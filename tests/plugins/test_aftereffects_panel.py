"""What the After Effects panel says and asks before it sends, and how it bears a node that misbehaves."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aftereffects_project import shot
from aftereffects_rig import AfterEffects
from fake_node import FakeNode

from peerfarm.errors import RequestRefused

FARM = {"id": "f", "name": "studio"}
STATUS = {"farm": FARM, "alarms": []}
LIVE = {"state": "live", "busy": 1, "apps": [{"app": "aftereffects", "version": "24.1"}]}
ANSWERS: dict[str, Any] = {
    "status": STATUS,
    "nodes": {"nodes": [LIVE, {**LIVE, "busy": 0, "apps": []}, {**LIVE, "state": "dead"}]},
    "jobs": {"jobs": [], "total": 0},
    "submit": {"job": "j1", "tasks": 2, "frames": 8, "warnings": []},
}


def row(number: int, **more: Any) -> dict[str, Any]:
    """A job as the node tells of it."""
    told = {
        "id": f"job{number}",
        "name": f"shot {number}",
        "status": "active",
        "progress": 0.25,
        "eta_s": 125,
        "frames": {"total": 8, "done": 2},
        "published": False,
        "output": "/frames",
        "error": None,
    }
    return told | more


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path, ANSWERS) as node:
        yield node


@contextmanager
def answering(home: Path, answer: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """Something on peerfarm's port that answers each line with these bytes; with none it closes."""
    server = socket.create_server(("127.0.0.1", 0))
    (home / "local.json").write_text(json.dumps({"port": server.getsockname()[1], "token": "t"}), "utf-8")
    held: list[socket.socket] = []

    def serve(link: socket.socket) -> None:
        with link, link.makefile("rb") as lines:
            for line in lines:
                said = answer(line)
                if said is None:
                    return
                try:
                    link.sendall(said)
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            held.append(link)
            threading.Thread(target=serve, args=(link,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)
    for link in held:
        link.close()


def submitted(node: FakeNode) -> dict[str, Any]:
    return dict(node.params_of("submit"))


# Before sending


def test_the_job_holds_what_the_render_queue_says_and_every_file_that_it_needs(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: 8 frames in 2 tasks." in ae.text()
    told = submitted(node)
    (step,) = told["job"]["steps"]
    assert told["job"]["name"] == "shot"
    assert (step["frames"], step["chunk"]) == ("10-17", 5)
    assert step["output"] == {"dir": str(tmp_path / "out"), "pattern": "shot_####.png"}
    assert step["requires"] == {"version": "24"}
    assert step["params"] == {
        "scene": project["file"],
        "item": 1,
        "comp": "Shot 010",
        "listed": True,
        "several_frames_at_once": True,
        "processor_percent": 80,
    }
    names = sorted(Path(path).name for path in told["files"])
    assert names == ["plate_001.exr", "plate_002.exr", "plate_003.exr", "title card.png"]
    assert told["background"] is True


@pytest.mark.parametrize(
    ("more", "frames"),
    [
        ({"skip": 1}, "10-17x2"),
        ({"duration": 1 / 25}, "10"),
        ({"start": 0}, "0-7"),
    ],
)
def test_frames_are_those_of_the_queued_item(node: FakeNode, tmp_path: Path, more: dict[str, Any], frames: str) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0] |= more
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert submitted(node)["job"]["steps"][0]["frames"] == frames


def test_projects_that_count_from_one_are_rendered_from_one(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out") | {"framesCountType": "FC_START_1"}
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert submitted(node)["job"]["steps"][0]["frames"] == "11-18"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "No project is open."),
        ({"file": None}, "The project was never saved. Save it, then send it."),
        ({"queue": []}, "Nothing is queued in the render queue."),
    ],
)
def test_what_cannot_be_sent_is_told_with_what_to_do(
    node: FakeNode, tmp_path: Path, change: dict[str, Any] | None, words: str
) -> None:
    project = None if change is None else shot(tmp_path, tmp_path / "out") | change
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert words in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]
    assert "submit" not in node.methods()


@pytest.mark.parametrize(
    ("outputs", "words"), [([], "Shot 010 has no output file."), (["/out/a?_[##].png"], "not every system can store")]
)
def test_an_output_that_cannot_be_written_is_told(
    node: FakeNode, tmp_path: Path, outputs: list[str], words: str
) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0]["outputs"] = outputs
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert words in ae.text()
    assert "submit" not in node.methods()


def test_missing_fonts_are_asked_about(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    with AfterEffects(tmp_path, project, missingFonts=["BrandonGrotesque-Bold"], confirm=False) as ae:
        ae.press("Send to peerfarm")
        assert "Fonts are missing: BrandonGrotesque-Bold." in ae.asked[-1]
        assert "submit" not in node.methods()
        ae.do("answer", confirm=True)
        ae.press("Send to peerfarm")
    assert submitted(node)["allow_missing"] is True


def test_a_layer_that_cannot_be_read_stops_nothing(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["comps"][0]["layers"].insert(0, {"broken": True})
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: " in ae.text()
    assert len(submitted(node)["files"]) == 4


def test_very_many_files_are_named_by_their_folders(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    for frame in range(4, 4100):
        (tmp_path / "footage" / "plates" / f"plate_{frame:03d}.exr").touch()
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert sorted(submitted(node)["files"]) == [str(tmp_path / "footage"), str(tmp_path / "footage" / "plates")]


def test_a_number_that_is_none_is_refused_by_name(node: FakeNode, tmp_path: Path) -> None:
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        ae.do("type", label="Frames per task", text="lots")
        ae.press("Send to peerfarm")
        assert 'Frames per task must be a whole number from 1 to 500, not "lots".' in ae.text()
    assert "submit" not in node.methods()


def test_a_refusal_of_the_node_is_shown_with_what_to_do(node: FakeNode, tmp_path: Path) -> None:
    node.answers["submit"] = RequestRefused("there are frames already in /out", "Choose another folder.")
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        ae.press("Send to peerfarm")
        assert "there are frames already in /out Choose another folder." in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]


def test_a_submission_that_the_node_forgot_is_given_up(node: FakeNode, tmp_path: Path) -> None:
    node.answers["submit"] = {"submission": "s1"}
    node.answers["submission"] = RequestRefused("this node knows no submission 's1'", "Look at the jobs.")
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        ae.press("Send to peerfarm")
        assert not ae.button("Send to peerfarm")["enabled"]
        ae.tick()
        assert "knows no submission" in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]


# The network preference


@pytest.mark.parametrize("is_old", [False, True])
def test_a_closed_network_is_explained_and_noticed_when_it_is_opened(
    node: FakeNode, tmp_path: Path, is_old: bool
) -> None:
    with AfterEffects(tmp_path, None, networkAllowed=False, oldPreferences=is_old) as ae:
        assert "Allow Scripts to Write Files and Access Network" in ae.text()
        ae.tick()
        assert node.asked == []
        ae.press("Refresh")
        assert ae.commands == [4242]
        ae.do("allow", network=True)
        ae.tick()
        assert "studio: 2 nodes, 1 rendering, 1 with After Effects" in ae.text()
        assert "Allow Scripts" not in ae.text()


# The farm


def test_the_farm_and_the_newest_jobs_are_shown(node: FakeNode, tmp_path: Path) -> None:
    jobs = [
        row(1),
        row(2, status="failed", error="no licence"),
        row(3, status="done"),
        row(4, status="done", published=True),
    ]
    node.answers["jobs"] = {"jobs": jobs, "total": 10_000}
    with AfterEffects(tmp_path, None) as ae:
        assert ae.rows() == [
            ["shot 1", "██░░░░░░░░ 25 %", "rendering, 2 min left"],
            ["shot 2", "██░░░░░░░░ 25 %", "failed: no licence"],
            ["shot 3", "██░░░░░░░░ 25 %", "done, frames on their way"],
            ["shot 4", "██░░░░░░░░ 25 %", "done"],
        ]
        assert "and 9996 older" in ae.text()
        assert ae.cost.requests == 4  # hello and three
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


# A node that misbehaves


def test_a_node_that_is_not_there_is_a_sentence_and_a_button(tmp_path: Path) -> None:
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        assert "peerfarm is not running. Press Start peerfarm." in ae.text()
        assert ae.button("Start peerfarm")["visible"]
        ae.press("Start peerfarm")
        assert "never started on this machine" in ae.text()
        ae.press("Send to peerfarm")
        assert "peerfarm is not running" in ae.text()


def test_a_node_that_comes_back_on_another_port_is_found(tmp_path: Path) -> None:
    with AfterEffects(tmp_path, None, hasty=20) as ae:
        for _ in range(2):
            with FakeNode(tmp_path, ANSWERS):
                ae.press("Refresh")
                ae.until("the farm", lambda: "studio: 2 nodes" in ae.text())
            ae.press("Refresh")
            assert "peerfarm " in ae.text()
            assert "studio" not in ae.text()


def test_a_wrong_token_is_told(node: FakeNode, tmp_path: Path) -> None:
    told = json.loads((tmp_path / "local.json").read_text("utf-8"))
    (tmp_path / "local.json").write_text(json.dumps(told | {"token": "x" * 43}), "utf-8")
    with AfterEffects(tmp_path, None) as ae:
        assert "peerfarm did not accept this panel. Restart peerfarm" in ae.text()


def error(code: int, message: str) -> Callable[[bytes], bytes]:
    """A node that refuses everything."""
    return lambda line: (
        json.dumps(
            {"jsonrpc": "2.0", "id": json.loads(line)["id"], "error": {"code": code, "message": message}}
        ).encode()
        + b"\n"
    )


BAD: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "another version": (error(4, "protocol 9"), "of different versions. Run `peerfarm plugins install aftereffects`"),
    "an older node": (error(-32601, "unknown method"), "This peerfarm is older than the panel. Update peerfarm."),
    "a web server": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not peerfarm"),
    "half a line": (lambda _: b'{"jsonrpc": "2.0", "id": 1, "resu\n', "is not peerfarm"),
    "deep nesting": (lambda _: b"[" * 5000 + b"\n", "is not peerfarm"),
    "other ids": (lambda _: b'{"jsonrpc": "2.0", "id": 999, "result": {}}\n', "did not answer in time"),
    "silence": (lambda _: b"", "did not answer in time"),
    "an empty result": (lambda line: b'{"id": %d, "result": null}\n' % json.loads(line)["id"], "This did not work"),
    "results of the wrong kind": (
        lambda line: b'{"id": %d, "result": {"farm": 3, "nodes": [null], "jobs": "x"}}\n' % json.loads(line)["id"],
        "This did not work",
    ),
    "the end": (lambda _: None, "peerfarm "),
}


@pytest.mark.parametrize("kind", BAD)
def test_whatever_answers_the_panel_says_a_sentence_and_after_effects_goes_on(tmp_path: Path, kind: str) -> None:
    answer, words = BAD[kind]
    with (
        answering(tmp_path, answer),
        AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out"), hasty=20) as ae,
    ):
        assert words in ae.text()
        ae.tick()
        ae.press("Send to peerfarm")
        assert ae.button("Send to peerfarm")["enabled"]


def test_a_silent_node_holds_after_effects_up_once_and_is_then_left_alone(tmp_path: Path) -> None:
    with answering(tmp_path, lambda _: b""), AfterEffects(tmp_path, None) as ae:
        assert ae.cost.requests == 1
        ae.tick()
        assert (ae.cost.requests, ae.cost.opened) == (0, 0)
        assert ae.due == [3000]


def test_a_slow_node_is_asked_for_one_thing_in_a_turn(tmp_path: Path) -> None:
    results = {"hello": {}, **ANSWERS}
    gate = threading.Event()

    def slowly(line: bytes) -> bytes:
        request = json.loads(line)
        gate.wait(0.6)  # never set: longer than a turn asks on
        return json.dumps({"id": request["id"], "result": results[request["method"]]}).encode() + b"\n"

    with answering(tmp_path, slowly), AfterEffects(tmp_path, None) as ae:
        assert ae.cost.requests == 2  # hello, and one
        ae.tick()
        assert ae.cost.requests == 1
        ae.tick()
        assert ae.cost.requests == 1
        assert "studio: 2 nodes" in ae.text()


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
