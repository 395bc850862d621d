"""What an attempt is given of the steps that it depends on."""

from __future__ import annotations

import msgpack
import pytest

from peerfarm.model.ids import FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import Dependency, DependencyKind, JobSpec, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.policy.inputs import inputs_of
from peerfarm.state.actions import (
    Body,
    JobSubmitted,
    TaskLeased,
    TaskRendered,
    decode_action,
    encode_action,
)
from peerfarm.state.farm import EMPTY_FARM, Farm, get_job
from peerfarm.state.reduce import reduce

FARM = FarmId("farmfarmfarmfarm")
JOB = JobId("jobjobjobjob")
LOG = LogId("loglog22")
NODE: NodeId = node_id_of("k" * 40)


def _spec(dependency: Dependency) -> JobSpec:
    render = Step("render", "ocean", {}, ((1, 6, 1),), 2, "/out", "f_####.png")
    composite = Step("composite", "ocean", {}, ((1, 6, 1),), 1, "/comp", "c_####.png", (dependency,))
    return JobSpec("job", "", (render, composite))


def _farm(spec: JobSpec, done: list[int]) -> Farm:
    bodies: list[Body] = [JobSubmitted(JOB, msgpack.packb(encode_spec(spec)))]
    for task in done:
        bodies.append(TaskLeased(JOB, 0, task, 0, 1, NODE, "boot", 1))
        frames = ((f"f_{task}.png", 1, b"h" * 32),)
        bodies.append(TaskRendered(JOB, 0, task, (NODE, LOG, len(bodies)), frames, 5))
    farm = EMPTY_FARM
    for seq, body in enumerate(bodies, 1):
        farm = reduce(farm, decode_action(encode_action(FARM, (NODE, LOG, seq), seq, 0, body)))
    return farm


@pytest.mark.parametrize(
    ("dependency", "task", "expected"),
    [
        (Dependency(0), 0, ["f_0.png", "f_1.png", "f_2.png"]),
        (Dependency(0, DependencyKind.FRAMES), 2, ["f_1.png"]),
        (Dependency(0, DependencyKind.FRAMES, offsets=(-1, 0)), 2, ["f_0.png", "f_1.png"]),
        (Dependency(0, DependencyKind.FRAMES, offsets=(-1,)), 0, []),
        (Dependency(0, DependencyKind.TASKS, tasks=(2,)), 0, ["f_2.png"]),
    ],
)
def test_a_task_gets_the_frames_of_just_those_tasks_that_it_depends_on(
    dependency: Dependency, task: int, expected: list[str]
) -> None:
    spec = _spec(dependency)
    state = get_job(_farm(spec, [0, 1, 2]), JOB)
    assert state is not None
    given = inputs_of(state, spec, 1, task)
    assert [name for entry in given for name in entry.names] == expected
    assert {(entry.step_name, entry.output_dir) for entry in given} <= {("render", "/out")}


def test_what_is_not_done_is_left_out() -> None:
    spec = _spec(Dependency(0))
    state = get_job(_farm(spec, [1]), JOB)
    assert state is not None
    assert [entry.names for entry in inputs_of(state, spec, 1, 0)] == [("f_1.png",)]
