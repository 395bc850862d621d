"""Work on files that hangs holds up nothing but what lies on the same storage, and is told in a sentence."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runner_rig import JOB, LIMIT_S, WRITE_FRAMES, Rig

from peerfarm.model.render import PublishOrder, PublishResult
from peerfarm.node.inputs import PathsChecked
from peerfarm.runner import publish as publishing
from peerfarm.runner import runner as running
from peerfarm.runner.pool import Call, FilePool

NEVER_S = 1000.0
SOON_S = 1.0


class Bench:
    """A pool, calls that hang until they are let go, and what was heard of them."""

    def __init__(self, threads: int = 2, room: int = 100) -> None:
        self.pool = FilePool("test", threads, room)
        self.heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.let_go = threading.Event()

    def add(self, lane: str, word: str, limit_s: float = NEVER_S, *, hangs: bool = False) -> None:
        def run(moved: Callable[[], None]) -> None:
            self.heard.put(f"begins {word}")
            if hangs:
                self.let_go.wait(LIMIT_S)
            moved()
            self.heard.put(f"ends {word}")

        self.pool.add(Call(lane, f"doing {word}", limit_s, run, lambda why: self.heard.put(f"{word}: {why}")))

    def next(self) -> str:
        return self.heard.get(timeout=LIMIT_S)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.let_go.set()
    bench.pool.close()


def test_calls_of_one_lane_keep_their_order(bench: Bench) -> None:
    for number in range(50):
        bench.add("/a", str(number))
    assert [bench.next() for _ in range(100)] == [f"{word} {n}" for n in range(50) for word in ("begins", "ends")]


def test_a_call_that_hangs_holds_up_its_own_lane_alone(bench: Bench) -> None:
    bench.add("/hung", "first", hangs=True)
    assert bench.next() == "begins first"
    bench.add("/hung", "second")
    bench.add("/fine", "other")
    assert [bench.next(), bench.next()] == ["begins other", "ends other"]
    bench.let_go.set()
    assert [bench.next() for _ in range(3)] == ["ends first", "begins second", "ends second"]


def test_what_takes_too_long_is_given_up_with_all_behind_it_and_goes_on_when_it_comes_back(bench: Bench) -> None:
    bench.add("/hung", "first", SOON_S, hangs=True)
    bench.add("/hung", "second")
    assert bench.next() == "begins first"
    told = [bench.next(), bench.next()]
    assert [words.partition(":")[0] for words in told] == ["first", "second"]
    for words in told:
        assert "doing first has not moved for 1 s: the storage does not answer" in words
    bench.add("/hung", "third")
    assert bench.next().startswith("third: doing first has not moved")

    bench.let_go.set()
    assert bench.next() == "ends first"


def test_a_lane_is_free_again_after_its_late_call_ended(bench: Bench) -> None:
    bench.add("/hung", "first", SOON_S, hangs=True)
    assert [bench.next(), bench.next()[:6]] == ["begins first", "first:"]
    bench.let_go.set()
    assert bench.next() == "ends first"
    bench.add("/hung", "again")
    while (heard := bench.next()) != "begins again":  # its thread may need a moment to come back
        assert heard.startswith("again: doing first has not moved")
        bench.add("/hung", "again")
    assert bench.next() == "ends again"


def test_when_all_threads_hang_everything_is_refused_at_once_in_words(bench: Bench) -> None:
    for lane in ("/a", "/b"):
        bench.add(lane, lane, SOON_S, hangs=True)
    bench.add("/c", "waiting")
    heard = [bench.next() for _ in range(5)]
    bench.add("/d", "late comer")
    heard.append(bench.next())
    stuck = {words.partition(":")[0]: words for words in heard if words.startswith(("waiting", "late comer"))}
    assert stuck.keys() == {"waiting", "late comer"}
    for words in stuck.values():
        assert "2 threads wait for it already" in words
        assert "doing /a" in words


def test_the_queue_is_bounded() -> None:
    bench = Bench(threads=1, room=2)
    bench.add("/a", "first", hangs=True)
    assert bench.next() == "begins first"
    for word in ("second", "third", "fourth"):
        bench.add("/b", word)
    assert bench.next().startswith("fourth: doing fourth was not begun: 2 other calls")
    bench.let_go.set()
    bench.pool.close()
    assert bench.pool.join(LIMIT_S)
    assert [bench.next() for _ in range(5)][-1] == "ends third"


def test_a_bug_in_a_call_leaves_its_lane_working(bench: Bench) -> None:
    def fail(_: Callable[[], None]) -> None:
        raise RuntimeError("a bug")

    bench.pool.add(Call("/a", "failing", NEVER_S, fail, bench.heard.put))
    bench.add("/a", "next")
    assert [bench.next(), bench.next()] == ["begins next", "ends next"]


def test_closing_does_not_wait_for_what_hangs() -> None:
    bench = Bench()
    bench.add("/hung", "first", SOON_S, hangs=True)
    assert [bench.next(), bench.next()[:6]] == ["begins first", "first:"]
    bench.pool.close()
    assert not bench.pool.join(NEVER_S)
    bench.let_go.set()
    assert bench.next() == "ends first"


def test_a_storage_that_hangs_while_frames_are_published_stops_neither_other_folders_nor_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, fine = tmp_path / "hung", tmp_path / "fine"
    for root in (hung, fine):
        root.mkdir()
    let_go, really_pour = threading.Event(), publishing._pour

    def pour(original: object, copy: object) -> None:
        if str(hung) in original.name:  # type: ignore[attr-defined]
            let_go.wait(LIMIT_S)
        really_pour(original, copy)  # type: ignore[arg-type]

    def order_of(root: Path) -> PublishOrder:
        ending = rig.run(WRITE_FRAMES, (1,), output_dir=str(root))
        return PublishOrder(ending.attempt, JOB, 0, 1, str(root), ending.frames)

    def result_of(order: PublishOrder) -> PublishResult:
        wanted = rig.until(lambda event: isinstance(event, PublishResult) and event.attempt == order.attempt)
        rig.seen.remove(wanted)
        assert isinstance(wanted, PublishResult)
        return wanted

    rig = Rig(tmp_path / "home", hung, roots=(str(hung), str(fine)))
    try:
        first, second, other = order_of(hung), order_of(hung), order_of(fine)
        monkeypatch.setattr(publishing, "_pour", pour)
        monkeypatch.setattr(publishing, "open_plain", lambda path: path.open("rb"))  # its stream knows its name
        monkeypatch.setattr(running, "PUBLISH_LIMIT_S", SOON_S)
        rig.runner.publish(first)
        late = result_of(first)
        assert f"publishing frames in {hung} has not moved for" in late.error
        assert not late.is_lost
        rig.runner.publish(second)
        assert "has not moved" in result_of(second).error
        rig.runner.publish(other)
        assert result_of(other).error == ""
        rig.runner.check_paths("7", (), (str(hung),))
        checked = rig.until(lambda event: isinstance(event, PathsChecked))
        assert checked == PathsChecked("7", "")

        let_go.set()
        assert result_of(first).error == ""
        monkeypatch.setattr(running, "PUBLISH_LIMIT_S", NEVER_S)
        rig.runner.publish(second)
        while error := result_of(second).error:  # as the node does: the thread may need a moment to come back
            assert "has not moved" in error
            rig.runner.publish(second)
    finally:
        let_go.set()
        rig.runner.close(LIMIT_S)
