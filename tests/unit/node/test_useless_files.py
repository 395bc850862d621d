"""Jobs whose files are of no use: forged lists, names that a system cannot hold, files that nobody has, no room."""

from __future__ import annotations

import pytest
from files_rig import ROOT, Elm, FileSolo, lease_of

from peerfarm.model.files import FetchEnded
from peerfarm.model.ids import JobId
from peerfarm.node import inputs
from peerfarm.protocol.messages import FilesStuck, LeaseAsk
from peerfarm.state.actions import TaskFailed, TaskLeased, TasksCancelled, TasksRetried

JOB = JobId("jobone222222")
FORGED = "a manifest that cannot be read"
FULL = "no room for 4 GB on the disk of /home. Make room on it."
OCEAN = (("ocean", "", ()),)


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def useless(solo: FileSolo, job: JobId, why: str = FORGED) -> None:
    """The store finds that it can do nothing with the job's list of files."""
    solo.turn(FetchEnded(f"scene/{job}", why, is_unusable=True))


def test_a_job_whose_list_of_files_nobody_can_use_fails_after_the_usual_tries_with_the_reason(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT)
    useless(solo, job)
    view = solo.ask("job", job=job)
    assert (view["status"], view["error"]) == ("failed", f"oak cannot use the job's files: {FORGED}")
    tries = [[row["reason"] for row in task["attempts"]] for task in view["steps"][0]["tasks"]]
    assert tries == [["files-useless"] * 3] * 2
    assert solo.starts == []
    solo.wait(120)
    assert len(solo.fetches()) == 1
    assert solo.released() == []  # it is the artist's own: she may retry


def test_a_worker_that_cannot_use_the_files_leaves_the_job_to_those_that_may(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.hear(elm.id, elm.about(apps=OCEAN))
    elm.submit(JOB)
    useless(solo, JOB)
    solo.beats(elm, 60)
    assert elm.told(LeaseAsk) == []
    assert {row for message in elm.told(FilesStuck) for row in message.rows} == {(JOB, True, FORGED)}
    solo.hear(elm.id, FilesStuck(((JOB, False, FULL),)))  # which may end
    solo.beats(elm, 5)
    assert elm.told(LeaseAsk) == []
    solo.hear(elm.id, FilesStuck(((JOB, True, FORGED),)))
    (ask,) = elm.told(LeaseAsk)
    (lease,) = elm.say(TaskLeased(JOB, 0, 0, 0, 1, solo.id, ask.boot, ask.request))
    (failed,) = solo.recorded(TaskFailed)
    assert (failed.lease, failed.reason) == (lease, "files-useless")
    assert FORGED in failed.message


def test_a_worker_that_cannot_use_the_files_asks_when_those_that_may_are_gone(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.hear(ash.id, ash.about(apps=OCEAN))
    elm.submit(JOB)
    useless(solo, JOB)
    solo.beats(elm, 2)
    assert elm.told(LeaseAsk) == []
    solo.turn(inputs.LinkDown(ash.id))
    solo.beats(elm, 4)
    assert len(elm.told(LeaseAsk)) == 1


def test_a_worker_that_others_find_the_files_useless_for_renders_them_all_the_same(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.hear(elm.id, elm.about(apps=OCEAN))
    job = solo.submit_files(root=ROOT)
    solo.hear(elm.id, FilesStuck(((job, True, FORGED),)))
    solo.fetched(f"scene/{job}")
    for task in range(2):
        solo.rendered(solo.starts[task])
    assert {lease_of(task)[0] for task in solo.starts} == {solo.id}
    assert solo.recorded(TaskFailed) == []


def test_files_that_no_member_holds_are_given_up_after_some_looks_for_them(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    for tries in range(3):
        assert elm.told(LeaseAsk) == [], tries
        solo.turn(FetchEnded(f"scene/{JOB}", "no machine holds 1 file", (elm.id,), is_missing=True))
        solo.beats(elm, 61)
    (*_, ask) = elm.told(LeaseAsk)
    elm.say(TaskLeased(JOB, 0, 0, 0, 1, solo.id, ask.boot, ask.request))
    (failed,) = solo.recorded(TaskFailed)
    assert "no machine holds 1 file: submit the job again" in failed.message


def test_a_job_that_is_retried_is_looked_at_again(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT)
    useless(solo, job)
    assert solo.ask("job", job=job)["status"] == "failed"
    solo.ask("retry", job=job)
    assert len(solo.fetches()) == 2
    solo.fetched(f"scene/{job}")
    assert len(solo.starts) == 1


# What the artist sees of it


def test_the_artist_reads_which_worker_lacks_room_and_what_to_do() -> None:
    solo = FileSolo(is_rendering=False)
    solo.found()
    elm, ash = Elm(solo), Elm(solo, "ash")
    for peer in (elm, ash):
        solo.hear(peer.id, peer.about(apps=OCEAN))
    job = solo.submit_files(root=ROOT)
    assert solo.ask("job", job=job)["waits"] == ""
    solo.hear(elm.id, FilesStuck(((job, False, FULL),)))
    view = solo.ask("job", job=job)
    assert view["waits"] == view["error"] == f"waits for files of sea: elm: {FULL}"
    assert view["file_transfer"]["stuck"] == [{"node": elm.id, "name": "elm", "error": FULL}]
    solo.hear(ash.id, FilesStuck(((job, True, FORGED),)))
    assert solo.ask("job", job=job)["waits"] == f"waits for files of sea: elm: {FULL}; ash: {FORGED}"
    solo.hear(elm.id, FilesStuck(()))
    ash.leave()
    assert solo.ask("job", job=job)["waits"] == ""


def test_peers_hear_when_this_node_lacks_room_also_those_that_come_later_and_when_it_has_room(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    solo.turn(FetchEnded(f"scene/{JOB}", FULL, is_disk_full=True))
    solo.beats(elm, 1)
    assert elm.told(FilesStuck) == [FilesStuck(((JOB, False, FULL),))]
    ash = Elm(solo, "ash")
    solo.beats(elm, 1)
    assert ash.told(FilesStuck) == [FilesStuck(((JOB, False, FULL),))]
    solo.beats(elm, 61)
    solo.fetched(f"scene/{JOB}")
    solo.beats(elm, 1)
    assert elm.told(FilesStuck)[-1] == FilesStuck(())
    told = len(elm.told(FilesStuck))
    solo.beats(elm, 60)
    assert len(elm.told(FilesStuck)) == told  # nothing is stuck: nothing is told


def test_a_reason_that_is_no_text_and_has_no_end_can_be_told(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    useless(solo, JOB, "the path '\udcff" + "x" * 9000)
    solo.beats(elm, 1)
    ((row,),) = [message.rows for message in elm.told(FilesStuck)]
    assert row[2].startswith("the path '?xxx")


def test_what_is_over_is_stuck_no_more(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    useless(solo, JOB)
    elm.say(TasksCancelled(JOB, 0, ((0, 3),), 0))
    solo.beats(elm, 1)
    assert elm.told(FilesStuck)[-1:] in ([], [FilesStuck(())])
    elm.say(TasksRetried(JOB, 0, ((0, 3),), 1))
    solo.beats(elm, 6)  # the ask was answered by nobody
    assert len(solo.fetches()) == 2
