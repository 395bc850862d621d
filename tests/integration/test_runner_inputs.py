"""An attempt finds what earlier steps rendered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_rig import LIMIT_S, WRITE_FRAMES, Rig

from peerfarm.model.render import AttemptFailed, AttemptRendered, FailReason, StepInput

LOOK = """
for step in sorted(os.listdir('inputs')):
    for name in sorted(os.listdir(os.path.join('inputs', step))):
        print('sees', step, name, os.path.getsize(os.path.join('inputs', step, name)))
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    output = tmp_path / "output"
    output.mkdir()
    rig = Rig(tmp_path / "home", output)
    yield rig
    rig.runner.close(LIMIT_S)


def _rendered_before(rig: Rig) -> StepInput:
    ending = rig.run(WRITE_FRAMES, (1, 2))
    assert isinstance(ending, AttemptRendered)
    return StepInput("render", str(rig.output), ending.attempt, tuple(frame.name for frame in ending.frames))


def test_frames_of_an_earlier_step_lie_under_inputs_and_the_steps_name(rig: Rig) -> None:
    given = _rendered_before(rig)
    ending = rig.run(LOOK, inputs=(given,))
    assert isinstance(ending, AttemptRendered)
    seen = [line.split()[2] for line in rig.log(ending.attempt).splitlines() if line.startswith("sees render")]
    assert seen == list(given.names)


def test_an_input_that_this_node_does_not_see_is_named(rig: Rig) -> None:
    given = _rendered_before(rig)
    ending = rig.run(LOOK, inputs=(replace(given, names=("gone_0009.png",)),))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.OUTPUT_MISSING
    assert "gone_0009.png" in ending.message


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ""])
def test_an_input_never_leads_out_of_its_directory(rig: Rig, name: str) -> None:
    given = _rendered_before(rig)
    ending = rig.run(LOOK, inputs=(replace(given, names=(name,)),))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.NOT_ALLOWED
