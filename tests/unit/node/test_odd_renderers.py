"""What renderers print, however much and in whatever script, is told on in a size and shape that every node takes."""

from __future__ import annotations

import pytest
from node_rig import Solo

from peerfarm.errors import InvalidJob
from peerfarm.model.ids import node_id_of
from peerfarm.model.render import AttemptFailed, AttemptProgressed, FailReason
from peerfarm.node import inputs
from peerfarm.protocol.messages import PROTOCOL_VERSION, Beat, Greeting
from peerfarm.state.actions import MemberAdded, TaskFailed, decode_action

KEY = "e" * 40
ELM = node_id_of(KEY)


@pytest.fixture
def solo() -> Solo:
    """A farm of one that renders a job."""
    solo = Solo()
    solo.found()
    solo.submit()
    return solo


def fail(solo: Solo, message: str, lines: tuple[str, ...]) -> TaskFailed:
    """The renderer fails with these words; what is recorded of it, as others read it."""
    attempt = solo.starts[-1].attempt
    failed = AttemptFailed(attempt, FailReason.APP_FAILED, message, 1, lines, 1.0)
    effects = solo.turn(inputs.RunnerSaid(failed))
    bodies = [decode_action(row[3]).body for row in effects.rows]
    (body,) = [body for body in bodies if isinstance(body, TaskFailed)]
    return body


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u6d77", "\U0001d11e"])
def test_a_failure_with_many_long_lines_of_any_script_is_recorded_with_the_newest(solo: Solo, letter: str) -> None:
    told = fail(solo, letter * 9000, tuple(f"{number}{letter * 2000}" for number in range(50)))
    assert told.message == letter * 2000
    assert 12 <= len(told.last_lines) <= 20
    assert told.last_lines[-1].startswith(f"49{letter}")


def test_words_that_utf8_cannot_say_are_recorded_with_question_marks(solo: Solo) -> None:
    told = fail(solo, "no such file: a\udcff.blend", ("b\ud800",))
    assert told.message == "no such file: a?.blend"
    assert told.last_lines == ("b?",)


def test_a_frame_number_beyond_all_frames_does_not_cost_the_link_to_others(solo: Solo) -> None:
    solo.node.core.record(MemberAdded(ELM, KEY, "elm"))
    solo.turn(inputs.LinkUp(ELM))
    solo.hear(ELM, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), "elmboots"))
    for frame in (1 << 80, -(1 << 80)):
        solo.turn(inputs.RunnerSaid(AttemptProgressed(solo.starts[-1].attempt, 0.5, frame)))
        solo.wait(1)
    beats = solo.said(ELM, Beat)
    assert beats[-1].running[0][1] == 500


def test_a_task_of_so_many_and_so_long_names_that_its_result_cannot_be_told_is_refused(solo: Solo) -> None:
    output = f"/out/{'n' * 150}_####.png"
    assert len(solo.submit(frames="1-500", chunk=200, output=output)) == 12
    with pytest.raises(InvalidJob, match="chunk"):
        solo.submit(frames="1-500", chunk=500, output=output)
    longest = f"/out/{'n' * 40}_####.png"
    solo.submit(frames="1-500", chunk=500, output=longest, priority=100)
    for _ in range(3):
        solo.render(solo.starts[-1])
    assert 500 in [len(task.frames) for task in solo.starts]
