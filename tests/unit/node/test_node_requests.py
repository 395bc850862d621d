"""What a user asks of a node, and what comes of it."""

from __future__ import annotations

import pytest
from node_rig import Solo

from peerfarm.errors import InvalidJob, RequestRefused, UnknownJob
from peerfarm.model.ids import JobId
from peerfarm.model.render import AttemptStopped, FailReason
from peerfarm.node.inputs import RunnerSaid
from peerfarm.state.actions import JobArchived, TasksCancelled


@pytest.fixture
def solo() -> Solo:
    solo = Solo()
    solo.found()
    return solo


def test_nothing_is_submitted_before_there_is_a_farm() -> None:
    error = Solo().refusal("submit", job={"name": "x", "app": "ocean", "frames": "1", "output": "/o/f_#.png"})
    assert isinstance(error, RequestRefused)
    assert "peerfarm init" in error.hint


def test_a_farm_is_founded_once(solo: Solo) -> None:
    assert "already" in str(solo.refusal("init", name="another"))


def test_a_submitted_job_starts_at_once_on_an_idle_slot(solo: Solo) -> None:
    job = solo.submit()
    assert [(task.job, task.frames) for task in solo.starts] == [(job, (1,))]


def test_a_job_is_done_when_every_frame_lies_under_its_final_name(solo: Solo) -> None:
    job = solo.submit()
    for number in range(2):
        solo.render(solo.starts[number])
    row = solo.ask("job", job=job)
    assert (row["status"], row["is_published"]) == ("done", False)
    solo.effects.append(next(effects for effects in reversed(solo.effects) if effects.publishes))
    solo.publish_all()
    solo.wait(1)
    assert solo.ask("job", job=job)["published"] >= 1


def test_the_answer_to_a_submission_waits_for_the_disk(solo: Solo) -> None:
    solo.submit()
    effects = next(
        effects for effects in solo.effects if any(a.result and "tasks" in a.result for a in effects.answers)
    )
    assert effects.must_sync
    assert len(effects.rows) >= 1


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"frames": "1-10:2"}, InvalidJob, "1-10:2"),
        ({"frames": "1-999999999"}, RequestRefused, "999999999"),
        ({"app": "blendr"}, InvalidJob, "blendr"),
        ({"chunk": 0}, InvalidJob, "chunk"),
        ({"colour": "red"}, InvalidJob, "colour"),
        ({"output": "relative/f_####.png"}, InvalidJob, "relative"),
        ({"chunk": 501, "frames": "1-1000"}, InvalidJob, "500"),
    ],
)
def test_a_wrong_job_is_refused_in_words_and_leaves_nothing(
    solo: Solo, fields: dict[str, object], kind: type[Exception], words: str
) -> None:
    job = {"name": "sea", "app": "ocean", "frames": "1-2", "chunk": 1, "output": "/out/sea_####.png", **fields}
    error = solo.refusal("submit", job=job)
    assert isinstance(error, kind)
    assert words in f"{error} {error.hint}"
    assert solo.ask("jobs")["jobs"] == []


def test_a_paused_job_gets_no_new_starts_and_goes_on_when_resumed(solo: Solo) -> None:
    job = solo.submit()
    solo.ask("pause", job=job)
    solo.render(solo.starts[0])
    solo.wait(3)
    assert len(solo.starts) == 1
    assert solo.ask("job", job=job)["status"] == "paused"
    solo.ask("resume", job=job)
    solo.wait(1)
    assert len(solo.starts) == 2


def test_cancel_stops_the_running_render_and_starts_nothing_more(solo: Solo) -> None:
    job = solo.submit()
    solo.ask("cancel", job=job)
    stopped = [attempt for effects in solo.effects for attempt in effects.stops]
    assert stopped == [solo.starts[0].attempt]
    assert solo.ask("job", job=job)["status"] == "cancelled"
    solo.wait(3)
    assert len(solo.starts) == 1


def test_only_the_named_tasks_are_cancelled(solo: Solo) -> None:
    job = solo.submit(frames="1-4")
    solo.ask("cancel", job=job, tasks="2-3")
    statuses = [task["status"] for task in solo.ask("job", job=job)["steps"][0]["tasks"]]
    assert statuses == ["leased", "ready", "cancelled", "cancelled"]


def test_a_late_result_of_a_cancelled_task_still_counts(solo: Solo) -> None:
    job = solo.submit(frames="1")
    task = solo.starts[0]
    solo.ask("cancel", job=job)
    solo.render(task)
    assert solo.ask("job", job=job)["tasks"]["done"] == 1


def test_retry_brings_back_cancelled_tasks_and_leaves_done_ones_alone(solo: Solo) -> None:
    job = solo.submit()
    solo.render(solo.starts[0])
    solo.ask("cancel", job=job)
    solo.ask("retry", job=job)
    row = solo.ask("job", job=job)
    assert row["tasks"]["done"] == 1
    assert row["tasks"]["cancelled"] == 0


def test_retrying_a_done_task_by_name_renders_it_again(solo: Solo) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    solo.ask("retry", job=job, tasks="0")
    solo.wait(1)
    assert [task.frames for task in solo.starts] == [(1,), (1,)]


def test_three_failures_fail_a_task_and_the_job_says_why(solo: Solo) -> None:
    job = solo.submit(frames="1")
    for number in range(3):
        solo.fail(solo.starts[number], message=f"no such camera {number}")
        solo.wait(2)
    row = solo.ask("job", job=job)
    assert (len(solo.starts), row["status"]) == (3, "failed")
    assert "no such camera" in row["error"]


def test_a_worker_that_lacks_the_application_does_not_use_up_the_tries(solo: Solo) -> None:
    job = solo.submit(frames="1", tries=1)
    solo.fail(solo.starts[0], FailReason.NOT_ALLOWED, "outside roots")
    assert solo.ask("job", job=job)["status"] != "failed"


def test_five_workers_unable_to_run_a_task_fail_it_rather_than_let_it_wait_for_ever(solo: Solo) -> None:
    job = solo.submit(frames="1")
    for number in range(5):
        solo.fail(solo.starts[number], FailReason.NOT_ALLOWED, "outside roots")
        solo.wait(2)
    assert solo.ask("job", job=job)["status"] == "failed"


def test_the_higher_priority_goes_first(solo: Solo) -> None:
    solo.submit(name="first", frames="1-3")
    solo.submit(name="urgent", frames="1", priority=90)
    solo.render(solo.starts[0])
    solo.wait(1)
    assert [task.job_name for task in solo.starts] == ["first", "urgent"]


def test_a_changed_priority_decides_the_next_start(solo: Solo) -> None:
    solo.submit(name="first", frames="1-3")
    late = solo.submit(name="late", frames="1")
    solo.ask("priority", job=late, priority=99)
    solo.render(solo.starts[0])
    solo.wait(1)
    assert solo.starts[-1].job_name == "late"


def test_an_impossible_priority_is_refused(solo: Solo) -> None:
    job = solo.submit()
    assert "between 0 and 100" in str(solo.refusal("priority", job=job, priority=101))


def test_a_job_is_found_by_the_start_of_its_id_or_its_name(solo: Solo) -> None:
    job = solo.submit(name="shot 7")
    assert solo.ask("job", job=job[:5])["id"] == job
    assert solo.ask("job", job="shot 7")["id"] == job


def test_an_unknown_or_ambiguous_job_is_refused_with_the_choices(solo: Solo) -> None:
    one, two = solo.submit(name="same"), solo.submit(name="same")
    assert isinstance(solo.refusal("job", job="nothing"), UnknownJob)
    error = solo.refusal("job", job="same")
    assert one in error.hint
    assert two in error.hint


def test_a_job_under_way_can_be_neither_archived_nor_deleted(solo: Solo) -> None:
    job = solo.submit()
    for method in ("archive", "delete"):
        assert "cancel it first" in solo.refusal(method, job=job).hint


def test_an_archived_job_keeps_its_summary_and_frees_its_attempts(solo: Solo) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    solo.publish_all()
    solo.ask("archive", job=job)
    assert job in [gone for effects in solo.effects for gone in effects.forgotten]
    assert solo.ask("jobs")["jobs"] == []
    (row,) = solo.ask("jobs", all=True)["jobs"]
    assert (row["name"], row["status"]) == ("sea", "done")


def test_a_job_that_no_worker_can_take_says_so_at_submission_and_later(solo: Solo) -> None:
    answer = solo.ask("submit", job={"name": "x", "app": "ocean", "frames": "1", "output": "/o/f_#.png", "pool": "gpu"})
    assert "pool gpu" in answer["warnings"][0]
    assert "pool gpu" in solo.ask("job", job=answer["job"])["error"]


def test_a_step_waits_for_the_one_it_depends_on_and_clean_up_always_runs(solo: Solo) -> None:
    steps = [
        {"name": "render", "app": "ocean", "frames": "1", "output": "/out/f_####.png", "tries": 1},
        {"name": "comp", "app": "command", "command": "true", "depends_on": "render"},
        {"name": "tidy", "app": "command", "command": "true", "depends_on": "comp", "run": "always"},
    ]
    answer = solo.ask("submit", job={"name": "whole", "steps": steps})
    assert [task.step_name for task in solo.starts] == ["render"]
    solo.fail(solo.starts[0])
    solo.wait(2)
    assert [task.step_name for task in solo.starts] == ["render", "tidy"]
    solo.render(solo.starts[1])
    row = solo.ask("job", job=answer["job"])
    assert row["status"] == "failed"
    assert [step["tasks"][0]["status"] for step in row["steps"]] == ["failed", "blocked", "done"]


def test_two_slots_render_two_tasks_at_once() -> None:
    solo = Solo(slots=2)
    solo.found()
    solo.submit(frames="1-5")
    assert [task.frames for task in solo.starts] == [(1,), (2,)]


def test_a_central_server_renders_nothing(solo: Solo) -> None:
    server = Solo(is_rendering=False)
    server.found()
    server.submit()
    server.wait(2)
    assert server.starts == []


def test_an_unknown_method_is_refused(solo: Solo) -> None:
    assert "no method" in str(solo.refusal("explode"))


def test_stopping_ends_renders_gives_leases_back_and_says_that_it_is_over(solo: Solo) -> None:
    job = solo.submit()
    solo.ask("stop")
    assert solo.effects[-1].stops == [solo.starts[0].attempt]
    assert not solo.effects[-1].is_over
    assert solo.turn(RunnerSaid(AttemptStopped(solo.starts[0].attempt))).is_over
    assert solo.ask("job", job=job)["tasks"]["ready"] == 2


def test_what_was_leased_ahead_behind_a_long_render_goes_back_for_others(solo: Solo) -> None:
    solo.submit(frames="1-9")
    solo.render(solo.starts[0], render_s=0.3)
    assert len(solo.node.work.attempts) == 2
    solo.wait(3)
    assert list(solo.node.work.attempts) == [solo.starts[1].attempt]
    assert solo.ask("jobs")["jobs"][0]["tasks"]["leased"] == 1


@pytest.mark.parametrize("method", ["archive", "delete"])
def test_a_job_whose_frames_are_not_in_place_yet_keeps_them(solo: Solo, method: str) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    assert solo.ask("job", job=job)["status"] == "done"
    assert "output folder" in str(solo.refusal(method, job=job))
    assert [gone for effects in solo.effects for gone in effects.forgotten] == []


def test_cancelling_a_job_with_thousands_of_gaps_leaves_nothing_running(solo: Solo) -> None:
    job = solo.submit(frames="1-12000")
    odd = tuple((task, task) for task in range(1, 8000, 2))
    solo.node.core.record(TasksCancelled(JobId(job), 0, odd, 0))
    solo.ask("cancel", job=job)
    counts = solo.ask("job", job=job)["tasks"]
    assert (counts["ready"], counts["blocked"], counts["cancelled"]) == (0, 0, 12000)


def test_cancelling_a_whole_job_lets_its_clean_up_run(solo: Solo) -> None:
    steps = [
        {"name": "render", "app": "ocean", "frames": "1-4", "output": "/out/f_####.png"},
        {"name": "tidy", "app": "command", "command": "true", "depends_on": "render", "run": "always"},
    ]
    job = solo.ask("submit", job={"name": "whole", "steps": steps})["job"]
    solo.ask("cancel", job=job)
    solo.turn(RunnerSaid(AttemptStopped(solo.starts[0].attempt)))
    solo.wait(2)
    assert [task.step_name for task in solo.starts] == ["render", "tidy"]
    solo.render(solo.starts[1])
    assert solo.ask("job", job=job)["status"] == "cancelled"


@pytest.mark.parametrize("summary", [b"", b"\xc1", b"\x80", b"\x81\xacsubmitted_ms\xa3now"])
def test_a_summary_that_a_member_spoilt_is_shown_as_unknown(solo: Solo, summary: bytes) -> None:
    job = solo.submit(frames="1")
    solo.node.core.record(JobArchived(JobId(job), summary))
    assert [row["name"] for row in solo.ask("jobs", all=True)["jobs"]] == ["?"]
