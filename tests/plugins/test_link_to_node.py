"""A plug-in's connection, to a node that behaves: what is asked, heard, refused, and how it mends itself."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shared_parts import COPIES, LIMIT_S, SHARED, FakeNode, client, drain_until, launch, threads, wire

from peerfarm.errors import RequestRefused

JOBS = 10_000
TELLER = """
import json, os, sys
with open(sys.argv[1] + ".part", "w") as file:
    json.dump(dict(os.environ), file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""


@pytest.fixture(autouse=True)
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_S", 0.05)


@pytest.fixture
def make_link(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    links = []

    def make(**more: Any) -> Any:
        links.append(client.Link("blender 3.4.1", "0.1.0", str(tmp_path), **more))
        return links[-1]

    yield make
    for link in links:
        link.close()
    assert threads() == []


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(
        tmp_path, {"status": {"fine": True}, "pause": RequestRefused("it is done", "Nothing to pause.")}
    ) as fake:
        yield fake


def connected(link: Any) -> Any:
    link.open()
    drain_until(link, lambda: link.state == "connected")
    return link


def ask(link: Any, method: str, **params: Any) -> Any:
    """What comes of a question: the answer or the Fault."""
    came: list[Any] = []
    link.call(method, params, came.append, came.append)
    drain_until(link, lambda: came)
    return came[0]


@pytest.mark.parametrize("name", SHARED)
def test_both_copies_are_the_same_and_python_3_7_reads_them(name: str) -> None:
    one, other = ((folder / name).read_bytes() for folder in COPIES)
    assert one == other
    ast.parse(one, name, feature_version=(3, 7))


def test_what_runs_in_maya_asks_for_no_more_than_python_3_7() -> None:
    vermin = shutil.which("vermin", path=str(Path(sys.executable).parent))
    assert vermin, "vermin is missing; install the [dev] packages"
    argv = [vermin, "-t=3.7-", "--no-tips", "--violations", str(COPIES[1])]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_link_says_who_it_is_and_gets_answers(node: FakeNode, make_link: Callable[..., Any]) -> None:
    link = connected(make_link())
    assert ask(link, "status") == {"fine": True}
    hello = node.params_of("hello")
    assert (hello["client"], hello["app"], hello["version"], hello["protocol"]) == (
        "blender",
        "blender 3.4.1",
        "0.1.0",
        1,
    )
    assert "subscribe" in node.methods()


def test_a_refusal_arrives_as_words_for_the_artist(node: FakeNode, make_link: Callable[..., Any]) -> None:
    fault = ask(connected(make_link()), "pause", job="x")
    assert (fault.sentence, fault.hint, fault.kind) == ("it is done", "Nothing to pause.", "RequestRefused")
    assert str(fault) == "it is done. Nothing to pause."


def test_an_unknown_method_says_what_to_update(node: FakeNode, make_link: Callable[..., Any]) -> None:
    link = connected(make_link())
    assert "Update peerfarm" in ask(link, "no-such-thing").hint
    assert ask(link, "status") == {"fine": True}


def test_events_are_handed_to_every_listener_even_if_one_of_them_fails(
    node: FakeNode, make_link: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    link = make_link()
    heard: list[dict[str, Any]] = []
    link.listen(lambda event: event["no such field"])
    link.listen(heard.append)
    connected(link)
    node.push({"type": "alarm", "text": "a"})
    node.push({"type": "alarm", "text": "b"})
    drain_until(link, lambda: len(heard) == 2)
    assert [event["text"] for event in heard] == ["a", "b"]
    assert "KeyError" in capsys.readouterr().err


def test_a_callback_that_raises_loses_nothing_but_itself(
    node: FakeNode, make_link: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    link = connected(make_link())
    came: list[Any] = []

    def fail(_: Any) -> None:
        raise ZeroDivisionError("the panel's bug")

    for _ in range(100):  # more than may be open at once: a failed one does not stay open
        link.call("status", {}, fail)
        link.call("status", {}, came.append)
        drain_until(link, lambda: came)
        came.clear()
    assert "the panel's bug" in capsys.readouterr().err


def test_drain_hands_out_no_more_than_its_budget_allows(node: FakeNode, make_link: Callable[..., Any]) -> None:
    clock = [0.0]
    link = connected(make_link(clock_s=lambda: clock[0]))
    came: list[Any] = []

    def take(answer: Any) -> None:
        clock[0] += 0.001
        came.append(answer)

    for _ in range(10):
        link.call("no-such-thing", {}, take, take)
    link.wait(LIMIT_S)
    deadline_s = time.monotonic() + LIMIT_S
    while len(link._inbox) < 10:
        assert time.monotonic() < deadline_s
        link.wait(0.01)
    assert link.drain(0.0025)
    assert len(came) == 3
    assert link.drain(0.0)
    assert len(came) == 4
    assert link.drain(1.0)
    assert len(came) == 10
    assert not link.drain(1.0)


def test_whoever_waits_is_told_that_something_came_also_after_it_was_handed_out(
    node: FakeNode, make_link: Callable[..., Any]
) -> None:
    link = connected(make_link())
    link.call("status")
    has_news = link.wait(LIMIT_S)
    link.drain(1.0)
    assert has_news
    assert not link.wait(0.0)


def test_without_a_node_the_artist_learns_how_to_start_it(make_link: Callable[..., Any]) -> None:
    link = make_link()
    link.open()
    drain_until(link, lambda: link.state == "not running")
    assert link.can_start
    assert "Start" in link.hint
    fault = ask(link, "status")
    assert (fault.sentence, fault.kind) == ("peerfarm is not running.", "not running")


def test_a_question_before_the_node_is_there_ends_in_words(make_link: Callable[..., Any]) -> None:
    link = make_link()
    link.open()
    assert ask(link, "status").kind == "not running"


def test_a_link_mends_itself_when_the_node_is_back_with_another_port_and_token(
    tmp_path: Path, make_link: Callable[..., Any]
) -> None:
    link = make_link()
    for turn in range(3):
        with FakeNode(tmp_path, {"status": {"turn": turn}}):
            link.open()
            drain_until(link, lambda: link.state == "connected")
            assert ask(link, "status") == {"turn": turn}
        drain_until(link, lambda: link.state != "connected")
        assert link.can_start


def test_a_closed_link_can_be_opened_again(node: FakeNode, make_link: Callable[..., Any]) -> None:
    link = make_link()
    for _ in range(5):
        connected(link)
        for _ in range(40):
            link.call("status")
        link.close()
        assert threads() == []
        assert not link.drain()
        came: list[Any] = []
        link.call("status", {}, None, came.append)
        link.drain()
        assert [fault.kind for fault in came] == ["closed"]
    assert ask(connected(link), "status") == {"fine": True}


def test_what_is_too_much_for_one_request_is_told_before_it_is_sent(
    node: FakeNode, make_link: Callable[..., Any]
) -> None:
    link = connected(make_link())
    assert "too much" in ask(link, "submit", text="x" * (1 << 20)).sentence
    assert "submit" not in node.methods()
    assert ask(link, "status") == {"fine": True}


def test_more_questions_than_may_be_open_are_refused_in_words(tmp_path: Path, make_link: Callable[..., Any]) -> None:
    answers: list[Any] = []
    with FakeNode(tmp_path, {"status": {}}):
        link = connected(make_link())
        for _ in range(client.MAX_REQUESTS + 5):
            link.call("status", {}, answers.append, answers.append)
        drain_until(link, lambda: len(answers) == client.MAX_REQUESTS + 5)
        faults = [answer.kind for answer in answers if isinstance(answer, wire.Fault)]
        assert faults == ["busy"] * 5
        assert ask(link, "status") == {}


def test_ten_thousand_jobs_arrive_and_are_prepared_away_from_the_main_thread(
    tmp_path: Path, make_link: Callable[..., Any]
) -> None:
    frames = {"total": 9, "done": 1}
    rows = [{"id": f"{number:016d}", "name": "a shot with a name" * 5, "frames": frames} for number in range(JOBS)]
    came: list[Any] = []
    seen: list[str] = []
    with FakeNode(tmp_path, {"jobs": {"jobs": rows, "total": JOBS}}):
        link = connected(make_link())

        def prepare(answer: Any) -> int:
            seen.append(threading.current_thread().name)
            return len(answer["jobs"])

        link.call("jobs", {}, came.append, came.append, None, prepare)
        drain_until(link, lambda: came)
    assert came == [JOBS]
    assert seen == ["peerfarm"]


def test_an_answer_that_cannot_be_prepared_is_told_in_words(node: FakeNode, make_link: Callable[..., Any]) -> None:
    came: list[Any] = []
    link = connected(make_link())
    link.call("status", {}, came.append, came.append, None, lambda answer: answer["missing"])
    drain_until(link, lambda: came)
    assert "was not understood" in came[0].sentence


def test_one_question_without_a_window_is_answered(node: FakeNode, tmp_path: Path) -> None:
    assert client.call_once("mayapy 2024", "0.1.0", "status", home=str(tmp_path), timeout_s=LIMIT_S) == {"fine": True}
    with pytest.raises(wire.Fault, match="it is done"):
        client.call_once("mayapy 2024", "0.1.0", "pause", {"job": "x"}, home=str(tmp_path))
    assert threads() == []


def test_one_question_without_a_node_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(wire.Fault, match="not running"):
        client.call_once("mayapy 2024", "0.1.0", "status", home=str(tmp_path), timeout_s=1e6)


def launching(home: Path, argv: list[str], **environment: str) -> Path:
    path = home / "launch.json"
    path.write_text(json.dumps({"argv": argv, "environment": environment}), "utf-8")
    path.chmod(0o600)
    return path


def test_the_start_button_starts_the_node_once_without_what_the_application_set_for_itself(
    tmp_path: Path, make_link: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told.json"
    for name in ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "/the/application")
    launching(tmp_path, [sys.executable, "-c", TELLER, str(told)], PEERFARM_HOME=str(tmp_path), LD_LIBRARY_PATH="/own")
    link = make_link()
    assert "is starting" in link.start_node()
    deadline_s = time.monotonic() + LIMIT_S
    while not told.exists():
        assert time.monotonic() < deadline_s
    environment = json.loads(told.read_text("utf-8"))
    assert environment["PEERFARM_HOME"] == str(tmp_path)
    assert environment["LD_LIBRARY_PATH"] == "/own"
    assert "/the/application" not in environment.values()
    launching(tmp_path, [str(tmp_path / "no such program")])
    assert "is starting" in link.start_node()  # a second click starts nothing
    link._started_s -= client.START_AGAIN_S
    assert "could not be started" in link.start_node()


def start_in_vain(link: Any) -> tuple[str, str]:
    """What the panel says after a click on Start that leads to nothing, and what to do."""
    link.open()
    drain_until(link, lambda: link.can_start)
    link.start_node()
    drain_until(link, lambda: "could not be started" in link.sentence)
    assert link.can_start
    assert ask(link, "status").sentence == link.sentence
    return link.sentence, link.hint


SCOLDS = "import sys; sys.exit('peerfarm: the disk is full\\n  Make some room.')"
GARBLES = "import sys; sys.stderr.write('x' * 100000 + chr(10) + 'No module named peerfarm'); sys.exit(1)"


@pytest.mark.parametrize(
    ("argv", "words", "what_to_do"),
    [
        (["/gone/python", "-m", "peerfarm", "start"], "/gone/python is not there any more", "Install peerfarm again"),
        (["/"], "Permission denied", "Run `peerfarm start`"),
        ([sys.executable, "-c", SCOLDS], "could not be started: the disk is full.", "Make some room."),
        ([sys.executable, "-c", GARBLES], "could not be started: No module named peerfarm.", "Run `peerfarm start`"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3", "Run `peerfarm start`"),
    ],
)
def test_a_start_that_fails_says_why_and_what_to_do(
    tmp_path: Path, make_link: Callable[..., Any], argv: list[str], words: str, what_to_do: str
) -> None:
    launching(tmp_path, argv)
    link = make_link()
    sentence, hint = start_in_vain(link)
    assert words in sentence
    assert what_to_do in hint
    with FakeNode(tmp_path, {"status": {}}):  # somebody followed the advice
        drain_until(link, lambda: link.state == "connected")
    drain_until(link, lambda: link.state != "connected")
    assert "could not be started" not in link.sentence


def test_where_peerfarm_never_ran_the_start_button_says_how_it_is_found(
    tmp_path: Path, make_link: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence, hint = start_in_vain(make_link())
    assert "not found on this machine" in sentence
    assert "this button finds it" in hint


def test_a_start_that_takes_too_long_is_told(
    tmp_path: Path, make_link: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "START_LIMIT_S", 0.2)
    launching(tmp_path, ["sleep", "2"])
    link = make_link()
    link.open()
    drain_until(link, lambda: link.can_start)
    link.start_node()
    assert not link.can_start
    assert "is starting" in link.sentence
    drain_until(link, lambda: "did not start within" in link.sentence)
    assert link.can_start


def test_a_launch_file_that_others_can_write_starts_nothing(tmp_path: Path, make_link: Callable[..., Any]) -> None:
    told = tmp_path / "told.json"
    launching(tmp_path, [sys.executable, "-c", TELLER, str(told)]).chmod(0o666)
    sentence, hint = start_in_vain(make_link())
    assert "Other users can read or write" in sentence
    assert "writes that file anew" in hint
    assert not told.exists()
