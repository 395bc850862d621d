"""Nothing is told to anyone before it is on disk."""

from __future__ import annotations

from peerfarm.daemon.ledger import LAZY_S, RETRY_S, Ledger
from peerfarm.model.ids import JobId
from peerfarm.model.render import RenderTask
from peerfarm.node.effects import Effects, StartRender
from peerfarm.store import MemoryDisk, MemoryLog, open_memory_store

ROW = ("n" * 16, "l" * 8, 1, b"action")


class Desk:
    """A ledger on a disk that the test fills and empties, and what it let through."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.log: MemoryLog = open_memory_store(self.disk)[0]
        self.released: list[Effects] = []
        self.ledger = Ledger(self.log, self.released.append)

    def rows(self) -> list[bytes]:
        return [row[3] for row in self.log.rows()]


def test_an_own_action_is_durable_before_its_effects_are_carried_out() -> None:
    desk = Desk()
    seen: list[list[bytes]] = []
    ledger = Ledger(desk.log, lambda _effects: seen.append(desk.rows()))
    ledger.take(Effects(rows=[ROW], must_sync=True), 0.0)
    assert seen == [[b"action"]]


def test_peers_actions_wait_a_moment_for_an_own_commit_to_ride_on() -> None:
    desk = Desk()
    desk.ledger.take(Effects(rows=[ROW]), 0.0)
    assert (desk.rows(), len(desk.released)) == ([], 1)
    desk.ledger.take(Effects(), LAZY_S)
    assert desk.rows() == [b"action"]


def test_facts_are_written_with_the_rows() -> None:
    desk = Desk()
    desk.ledger.take(Effects(facts={"own_log": b"abc"}), 0.0)
    assert desk.log.get("own_log") == b"abc"


def test_a_full_disk_holds_everything_back_until_there_is_room_and_loses_nothing() -> None:
    desk = Desk()
    desk.disk.full = True
    first, second = Effects(rows=[ROW], must_sync=True), Effects(rows=[(*ROW[:2], 2, b"next")], must_sync=True)
    desk.ledger.take(first, 0.0)
    desk.ledger.take(second, 0.1)
    assert desk.released == []
    assert desk.ledger.error
    assert not desk.ledger.retry(RETRY_S / 2)
    desk.disk.full = False
    assert desk.ledger.retry(RETRY_S)
    assert desk.released == [first, second]
    assert desk.rows() == [b"action", b"next"]
    assert not desk.ledger.error


def test_answers_that_claim_nothing_go_out_although_the_disk_is_full() -> None:
    desk = Desk()
    desk.disk.full = True
    desk.ledger.take(Effects(rows=[ROW], must_sync=True), 0.0)
    reading = Effects()
    desk.ledger.take(reading, 0.1)
    assert desk.released == [reading]


def test_a_render_whose_lease_waited_for_the_disk_is_not_started_late_but_named() -> None:
    desk = Desk()
    desk.disk.full = True
    task = RenderTask("n-l-1", JobId("j" * 12), "job", 0, "render", 0, "ocean", {}, (1,), "/out", "f_#.png")
    desk.ledger.take(Effects(rows=[ROW], must_sync=True, starts=[StartRender(0, task)]), 0.0)
    desk.disk.full = False
    assert desk.ledger.retry(RETRY_S)
    assert [effects.starts for effects in desk.released] == [[]]
    assert desk.ledger.dropped == ("n-l-1",)
