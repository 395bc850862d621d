"""What a panel shows of the farm, from answers as the node gives them, and what its buttons ask."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from shared_parts import FakeNode, board, client, drain_until, rows, threads, tick_until

from peerfarm.errors import RequestRefused

PICTURE = b"\x89PNG and so on"


def node_answer(name: str, **more: Any) -> dict[str, Any]:
    row = {"id": name * 4, "name": name, "state": "live", "is_self": False, "render": True, "slots": 1, "busy": 0}
    return {**row, "tasks": [], "fetching": [], **more}


def job_answer(number: int, done: int = 0, **more: Any) -> dict[str, Any]:
    frames = {"total": 10, "done": done}
    row = {"id": f"job{number:05d}", "name": f"shot {number}", "status": "active", "progress": done / 10}
    return {**row, "frames": frames, "eta_s": 90.0, "error": "", "waits": "", "output": "/out", **more}


class Told:
    """What the farm answers; a test changes it."""

    def __init__(self) -> None:
        self.jobs = [job_answer(1, 3)]
        self.nodes = [node_answer("oak"), node_answer("elm", is_self=True)]
        self.farm: dict[str, str] | None = {"id": "f", "name": "demo"}
        self.alarms: list[str] = []
        self.png = PICTURE

    def answers(self) -> dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]:
        picture = {"frame": 3, "width": 160, "height": 90, "path": "/out/f_0003.png"}
        return {
            "status": lambda _: {"node": {"version": "0.1.0"}, "farm": self.farm, "alarms": self.alarms},
            "nodes": lambda _: {"nodes": self.nodes},
            "jobs": lambda asked: {"jobs": self.jobs[: asked["limit"]], "total": len(self.jobs)},
            "thumbnail": lambda _: {**picture, "png": base64.b64encode(self.png).decode()},
            "pause": lambda _: {"job": self.jobs[0]},
            "log": lambda asked: {"text": f"the end of {asked['job']}"},
            "submit": lambda _: {"job": "job00002", "frames": 10, "tasks": 2, "warnings": ["mind the gap"]},
        }


@pytest.fixture(autouse=True)
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_S", 0.05)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def node(tmp_path: Path, told: Told) -> Iterator[FakeNode]:
    with FakeNode(tmp_path, told.answers()) as fake:
        yield fake


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Any]:
    """A board whose node need not be there."""
    link = client.Link("blender 3.4.1", "0.1.0", str(tmp_path))
    made = board.Board(link, limit=3)
    link.open()
    yield made
    link.close()
    made.close()
    assert threads() == []


def test_the_farm_is_shown_with_the_own_machine_first(node: FakeNode, shown: Any) -> None:
    tick_until(shown, lambda: shown.view.jobs)
    view = shown.view
    assert (view.farm, view.version, view.sentence) == ("demo", "0.1.0", "demo: 2 nodes, 0 rendering")
    assert [(row.name, row.words) for row in view.nodes] == [("elm", "idle"), ("oak", "idle")]
    row = view.jobs[0]
    assert (row.words, row.left, row.can_pause, row.can_cancel) == ("rendering, 3 of 10 frames", "2 min", True, True)


def test_only_the_newest_jobs_of_this_user_are_asked_for_and_the_rest_is_counted(
    node: FakeNode, shown: Any, told: Told
) -> None:
    told.jobs = [job_answer(number) for number in range(500)]
    tick_until(shown, lambda: shown.view.jobs)
    assert node.params_of("jobs") == {"limit": 3, "mine": True}
    assert (len(shown.view.jobs), shown.view.more_jobs) == (3, 497)


def test_the_farm_is_asked_again_after_an_event_and_not_before_a_second_is_over(
    node: FakeNode, shown: Any, told: Told
) -> None:
    told.jobs = [job_answer(1, 0)]  # no picture yet
    tick_until(shown, lambda: shown.view.jobs)
    asked, heard = node.methods().count("jobs"), []
    shown.link.listen(heard.append)
    now_s = shown._asked_s
    for _ in range(20):
        assert not shown.tick(now_s + 0.9)
    node.push({"type": "job/progress", "job": "x"})
    drain_until(shown.link, lambda: heard)
    shown.tick(now_s + 0.9)
    assert not shown._waits_for
    shown.tick(now_s + 1.1)
    assert shown._waits_for
    drain_until(shown.link, lambda: not shown._waits_for)
    assert node.methods().count("jobs") == asked + 1


def test_a_view_changes_its_revision_only_when_something_changed(node: FakeNode, shown: Any, told: Told) -> None:
    told.jobs = [job_answer(1, 0)]  # no picture yet
    tick_until(shown, lambda: shown.view.jobs)
    before, asked = shown.view, node.methods().count("jobs")
    tick_until(shown, lambda: node.methods().count("jobs") >= asked + 3)
    assert shown.view is before
    told.alarms.append("the disk is full")
    tick_until(shown, lambda: shown.view.alarms == ("the disk is full",))
    assert shown.view.revision > before.revision


def test_the_last_frame_is_fetched_anew_when_the_job_got_on_and_its_file_goes_with_the_panel(
    node: FakeNode, shown: Any, told: Told
) -> None:
    tick_until(shown, lambda: shown.view.jobs and shown.view.jobs[0].thumbnail)
    first = Path(shown.view.jobs[0].thumbnail)
    assert first.read_bytes() == PICTURE
    told.jobs = [job_answer(1, 4)]
    tick_until(shown, lambda: shown.view.jobs[0].thumbnail not in ("", str(first)))
    second = Path(shown.view.jobs[0].thumbnail)
    assert not first.exists()
    told.jobs = [job_answer(2, 1)]
    tick_until(shown, lambda: shown.view.jobs[0].id == "job00002" and shown.view.jobs[0].thumbnail)
    assert not second.exists()
    assert len(list(second.parent.iterdir())) == 1
    shown.close()
    assert not second.parent.exists()


def test_without_a_node_the_panel_offers_to_start_it_and_fills_when_it_comes(
    tmp_path: Path, shown: Any, told: Told
) -> None:
    tick_until(shown, lambda: shown.view.can_start)
    assert shown.view.sentence == "peerfarm is not running."
    for _ in range(2):
        with FakeNode(tmp_path, told.answers()):
            tick_until(shown, lambda: shown.view.jobs)
            assert not shown.view.can_start
        tick_until(shown, lambda: shown.view.can_start)
        assert (shown.view.jobs, shown.view.nodes) == ((), ())


def test_a_node_without_a_farm_says_how_to_get_one(node: FakeNode, shown: Any, told: Told) -> None:
    told.farm, told.nodes, told.jobs = None, [], []
    node.answers["jobs"] = RequestRefused("this node belongs to no farm", "")
    tick_until(shown, lambda: "no farm" in shown.view.sentence)
    assert "peerfarm init" in shown.view.hint
    assert shown.notice == ""


def test_an_odd_answer_is_shown_as_words_and_the_rest_stays(node: FakeNode, shown: Any) -> None:
    node.answers["jobs"] = {"jobs": [{"nonsense": 1}], "total": "many"}
    tick_until(shown, lambda: shown.view.nodes)
    assert "was not understood" in shown.view.alarms[0]
    node.answers["status"] = {"farm": 7, "alarms": 5}
    tick_until(shown, lambda: shown.view.alarms and len(node.methods()) > 20)
    assert len(shown.view.nodes) == 2


def test_a_click_is_carried_out_and_told(node: FakeNode, shown: Any) -> None:
    tick_until(shown, lambda: shown.view.jobs)
    shown.pause("job00001")
    tick_until(shown, lambda: shown.notice == "Paused.")
    assert node.params_of("pause") == {"job": "job00001"}
    node.answers["retry"] = RequestRefused("nothing failed", "Wait for it.")
    shown.retry("job00001")
    tick_until(shown, lambda: shown.notice == "nothing failed. Wait for it.")
    texts: list[str] = []
    shown.log_text("job00001", texts.append)
    tick_until(shown, lambda: texts)
    assert texts == ["the end of job00001"]


def test_a_submission_tells_its_progress_and_its_end(node: FakeNode, shown: Any) -> None:
    tick_until(shown, lambda: shown.view.jobs)
    moved: list[tuple[str, float]] = []
    done: list[Any] = []
    is_sent = threading.Event()

    def submit(_: Mapping[str, Any]) -> Mapping[str, Any]:
        assert is_sent.wait(10)
        number = shown._sending
        event = {"type": "submit/progress", "request": number, "text": "packing", "done_bytes": 5_000_000}
        for client_of in node.subscribed:
            node.gateway.push(client_of, {**event, "total_bytes": 20_000_000, "left_s": 3.0, "rate_bytes_s": 5e6})
        return {"job": "job00002", "frames": 10, "tasks": 2, "warnings": ["mind the gap"]}

    node.answers["submit"] = submit
    shown.send({"name": "shot"}, False, ("/tex.png",), lambda *words: moved.append(words), done.append)
    is_sent.set()
    assert shown.is_sending
    tick_until(shown, lambda: done)
    assert moved == [("packing, 5.0 MB of 20.0 MB, 5.0 MB a second, 3 s left", 0.25)]
    assert (shown.notice, shown.is_sending) == ("Sent: 10 frames in 2 tasks. mind the gap", False)
    assert node.params_of("submit") == {"job": {"name": "shot"}, "allow_missing": False, "files": ["/tex.png"]}


def test_a_submission_that_the_node_leaves_behind_is_told(tmp_path: Path, shown: Any, told: Told) -> None:
    faults: list[Any] = []
    with FakeNode(tmp_path, told.answers()) as node:
        tick_until(shown, lambda: shown.view.jobs)
        node.answers["submit"] = lambda _: node._stop({})
        shown.send({"name": "shot"}, on_fault=faults.append, on_done=faults.append)
        tick_until(shown, lambda: faults)
    assert not shown.is_sending


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"status": "done", "is_published": False}, "done, frames are on their way"),
        ({"status": "done", "is_published": True, "published": 2}, "done, 4 of 10 frames"),
        ({"status": "ready", "waits": "no node has Maya"}, "no node has Maya"),
        ({"status": "ready"}, "waiting for a worker, 4 of 10 frames"),
        ({"status": "something new"}, "something new, 4 of 10 frames"),
    ],
)
def test_the_words_of_a_job_say_what_it_waits_for(status: dict[str, Any], words: str) -> None:
    assert rows.job_row(job_answer(1, 4, **status)).words == words


@pytest.mark.parametrize(
    ("status", "left"),
    [
        ({"status": "active", "eta_s": 125.0}, "2 min"),
        ({"status": "done", "is_published": False, "eta_s": 125.0}, "2 min"),
        ({"status": "done", "is_published": True, "eta_s": None}, ""),
        ({"status": "failed", "eta_s": 125.0}, ""),
    ],
)
def test_the_time_left_of_a_job_counts_until_its_frames_are_here(status: dict[str, Any], left: str) -> None:
    assert rows.job_row(job_answer(1, 4, **status)).left.startswith(left)
    assert bool(rows.job_row(job_answer(1, 4, **status)).left) == bool(left)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"state": "dead"}, "away"),
        ({"render": False}, "does not render"),
        ({"fetching": [{"progress": 0.42}]}, "fetching files, 42 %"),
        ({"tasks": [{"frames": "1-5", "progress": 0.5}]}, "rendering frames 1-5"),
        (
            {"tasks": [{"frames": str(n), "progress": None} for n in range(4)]},
            "rendering frame 0, frame 1, frame 2 and more",
        ),
    ],
)
def test_the_words_of_a_node_say_what_it_does(row: dict[str, Any], words: str) -> None:
    assert rows.node_rows([node_answer("oak", **row)])[0].words == words
