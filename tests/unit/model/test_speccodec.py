"""A job specification as plain data: what comes back, and what is refused by name."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgpack
import pytest

from peerfarm.errors import InvalidJob
from peerfarm.model.job import Dependency, DependencyKind, JobSpec, Requirements, RunWhen, Step
from peerfarm.model.speccodec import MAX_SPEC_BYTES, decode_spec, encode_spec

SPEC = JobSpec(
    name="shot 010",
    user="ada",
    steps=(
        Step("setup", "command", {"command": "mkdirs"}, ()),
        Step("sim", "ocean", {"seed": 4, "b": [1, {"z": None, "a": 1.5}]}, ((1, 24, 1),), 4, "/out/sim", "s_##.png"),
        Step(
            "render",
            "blender",
            {"scene": "/shots/010.blend"},
            ((1, 23, 2), (-4, -1, 1)),
            5,
            "//server/out",
            "beauty_####.png",
            depends_on=(
                Dependency(0),
                Dependency(1, DependencyKind.FRAMES, offsets=(-1, 0)),
                Dependency(1, DependencyKind.TASKS, tasks=(0, 5)),
            ),
            run=RunWhen.ALWAYS,
            tries=5,
            time_limit_s=7200.0,
            stall_limit_s=0.0,
            requires=Requirements("4.2", 8000, 4, ("gpu", "denoiser")),
        ),
    ),
    priority=60,
    pool="night",
    workers=("luna", "io"),
    paused=True,
    submitted_ms=1_700_000_000_000,
)


def encoded() -> dict[str, Any]:
    return copy.deepcopy(encode_spec(SPEC))


def one_step(**fields: Any) -> dict[str, Any]:
    return {"version": 1, "name": "n", "user": "u", "steps": [{"name": "s", "app": "ocean", **fields}]}


@pytest.mark.parametrize("use_list", [True, False])
def test_a_job_survives_msgpack_whether_lists_become_tuples_or_not(use_list: bool) -> None:
    assert decode_spec(msgpack.unpackb(msgpack.packb(encode_spec(SPEC)), use_list=use_list)) == SPEC


def test_a_job_survives_json() -> None:
    assert decode_spec(json.loads(json.dumps(encode_spec(SPEC)))) == SPEC


def test_equal_jobs_have_equal_bytes_whatever_the_order_of_their_parameters() -> None:
    other = one_step(params={"b": 1, "a": {"d": 2, "c": 3}})
    same = one_step(params={"a": {"c": 3, "d": 2}, "b": 1})
    assert msgpack.packb(encode_spec(decode_spec(other))) == msgpack.packb(encode_spec(decode_spec(same)))


def test_defaults_take_no_room() -> None:
    assert encode_spec(decode_spec(one_step())) == one_step()


def test_a_job_that_fits_no_action_is_refused_with_advice() -> None:
    spec = decode_spec(one_step(params={str(number): "x" * 9000 for number in range(7)}))
    with pytest.raises(InvalidJob, match=f"at most {MAX_SPEC_BYTES}") as caught:
        encode_spec(spec)
    assert "submit several jobs" in caught.value.hint


def test_two_thousand_scattered_frames_fit_an_action() -> None:
    frames = [number for frame in range(1, 2001) for number in (frame * frame, frame * frame, 1)]
    assert len(encode_spec(decode_spec(one_step(frames=frames)))["steps"][0]["frames"]) == 6000


JOB_FAULTS = [
    ("name", "", "name must not be empty"),
    ("name", 5, "name must be text, not 5"),
    ("name", "a\nb", "name holds a character that cannot be shown"),
    ("name", "a\0", "name holds a character that cannot be shown"),
    ("name", "\ud800", "name holds a character that cannot be shown"),
    ("name", "n" * 201, "name is 201 characters long, more than 200"),
    ("user", None, "user must be text, not nothing"),
    ("priority", 101, "priority must be a whole number from 0 to 100, not 101"),
    ("priority", True, "priority must be a whole number from 0 to 100, not true"),
    ("priority", 50.0, "priority must be a whole number from 0 to 100, not 50.0"),
    ("pool", "a/b", "pool must hold none of"),
    ("workers", "luna", 'workers must be a list, not "luna"'),
    ("workers", ["luna", ".."], r"workers\[1\] must not begin"),
    ("workers", ["luna", "luna"], "workers names something twice"),
    ("paused", 1, "paused must be true or false, not 1"),
    ("files", "cloud", "files must be one of shared"),
    ("submitted_ms", -1, "submitted_ms must be a whole number"),
    ("version", 2, "version is 2; this node knows version 1"),
    ("steps", [], "steps must hold at least one step"),
    ("steps", {}, "steps must be a list, not a mapping"),
    ("steps", [None] * 65, "steps has 65 entries, more than 64"),
    ("prority", 3, "prority is no field that a job can have"),
]


@pytest.mark.parametrize(("field", "value", "message"), JOB_FAULTS)
def test_a_wrong_field_of_a_job_is_named(field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidJob, match=f"^{message}"):
        decode_spec(encoded() | {field: value})


STEP_FAULTS = [
    ("name", "setup", "name is taken by an earlier step"),
    ("name", "SETUP", "name is taken by an earlier step"),
    ("name", "../x", "name must hold none of"),
    ("name", "nul", "name must not be"),
    ("name", "-rf", "name must not begin"),
    ("app", "../sh", "app is no app's name"),
    ("params", [], "params must be a mapping"),
    ("params", {"a": float("nan")}, "params.a must be a finite number"),
    ("params", {"a": b"x"}, "params.a must be text, a number"),
    ("params", {"a": {"b": [0, 2**63]}}, r"params.a.b\[1\] must be a whole number"),
    ("params", {"a": "x\0y"}, "params.a holds a NUL"),
    ("params", {"a": "\ud800"}, "params.a holds a NUL or half a character"),
    ("params", {5: "x"}, "params has the key 5"),
    ("params", {"a": [[[[[[[[[1]]]]]]]]]}, r"params.a.* is nested deeper"),
    ("params", {"a": list(range(5001))}, "params.a.* is one value too many"),
    ("frames", [1, 10], "frames must be a flat list"),
    ("frames", [1, 10, 0], "frames hold 1, 10, 0"),
    ("frames", [10, 1, 1], "frames hold 10, 1, 1"),
    ("frames", [1, 10, 2], "frames hold 1, 10, 2"),
    ("frames", [5, 5, 2], "frames hold 5, 5, 2"),
    ("frames", [1, 10, "1"], "frames must be a whole number"),
    ("frames", [1, 10, 1, 10, 20, 5], "frames name frame 10 twice"),
    ("frames", [1, 10_000_001, 1], "frames are 10000001 frames, more than"),
    ("frames", [0, 9_999_999, 1], "chunk_size makes 2000000 tasks"),
    ("chunk_size", 501, "chunk_size must be a whole number from 1 to 500, not 501"),
    ("chunk_size", 0, "chunk_size must be a whole number from 1 to 500, not 0"),
    ("output_dir", "out", "output_dir must be an absolute path"),
    ("output_dir", "C:out", "output_dir must be an absolute path"),
    ("output_dir", "", "output_dir is missing"),
    ("output_dir", "/out/\0", "output_dir holds a character"),
    ("output_pattern", "", "output_pattern is missing"),
    ("output_pattern", "a#b#.png", "output_pattern must hold one run of #"),
    ("output_pattern", "a.png", "output_pattern has no place for the frame number"),
    ("output_pattern", "a_##_##.png", "output_pattern must hold one run of #, .*not 2"),
    ("output_pattern", "../a_##.png", "output_pattern must be a file name"),
    ("output_pattern", "a\\##.png", "output_pattern must be a file name"),
    ("output_pattern", "#" * 17, "output_pattern pads frame numbers to 17 digits"),
    ("run", "never", "run must be one of on_success, always"),
    ("tries", 0, "tries must be a whole number from 1 to 100, not 0"),
    ("time_limit_s", -1, "time_limit_s must be a number of seconds"),
    ("stall_limit_s", float("inf"), "stall_limit_s must be a number of seconds"),
    ("requires", {"version": "4.x"}, "requires.version is no version"),
    ("requires", {"memory": 3}, "requires.memory is no field"),
    ("requires", {"tags": [3]}, r"requires.tags\[0\] must be text"),
    ("depends_on", [{"step": 2}], r"depends_on\[0\].step must be a whole number from 0 to 1, not 2"),
    ("depends_on", [{"step": -1}], r"depends_on\[0\].step must be a whole number"),
    ("depends_on", [{"step": 0, "kind": "frames"}], r'depends_on\[0\] goes frame by frame, but step "setup" has no'),
    ("depends_on", [{"step": 1, "offsets": [1]}], r"depends_on\[0\].offsets goes with the kind frames"),
    ("depends_on", [{"step": 1, "kind": "tasks"}], r"depends_on\[0\].tasks must be a list"),
    ("depends_on", [{"step": 1, "kind": "tasks", "tasks": [6]}], r"depends_on\[0\].tasks must be .* 0 to 5, not 6"),
    ("chunks", 5, "chunks is no field"),
]


@pytest.mark.parametrize(("field", "value", "message"), STEP_FAULTS)
def test_a_wrong_field_of_a_step_is_named_with_its_step(field: str, value: object, message: str) -> None:
    job = encoded()
    job["steps"][2][field] = value
    with pytest.raises(InvalidJob, match=rf"^steps\[2\]\.{message}"):
        decode_spec(job)


def test_the_first_step_waits_for_nothing() -> None:
    with pytest.raises(InvalidJob, match=r"^steps\[0\]\.depends_on\[0\] cannot be"):
        decode_spec(one_step(depends_on=[{"step": 0}]))


def test_an_output_without_frames_is_refused() -> None:
    with pytest.raises(InvalidJob, match=r"^steps\[0\]\.output_dir is given, but the step has no frames"):
        decode_spec(one_step(output_dir="/out", output_pattern="a_#.png"))


def test_two_steps_may_share_a_pattern_but_not_a_file() -> None:
    job = one_step(frames=[1, 10, 1], output_dir="/out", output_pattern="a_#.png")
    job["steps"].append(job["steps"][0] | {"name": "t", "frames": [11, 20, 1]})
    assert len(decode_spec(job).steps) == 2
    job["steps"][1]["frames"] = [10, 20, 1]
    with pytest.raises(InvalidJob, match=r'^steps\[1\]\.output_pattern is the same as step "s".* frame 10'):
        decode_spec(job)


def test_frame_by_frame_waiting_is_bounded() -> None:
    job = one_step(frames=[1, 100_000, 1])
    link = {"step": 0, "kind": "frames", "offsets": [-1, 0, 1]}
    job["steps"].append(
        {"name": "t", "app": "ocean", "frames": [1, 100_000, 1], "chunk_size": 50, "depends_on": [link]}
    )
    with pytest.raises(InvalidJob, match=r"^steps\[1\]\.depends_on\[0\] links too many frames"):
        decode_spec(job)


def test_many_small_links_count_together() -> None:
    job = one_step(frames=[1, 50_000, 1], chunk_size=500)
    link = {"step": 0, "kind": "frames"}
    job["steps"].append(job["steps"][0] | {"name": "t", "depends_on": [link] * 4})
    assert len(decode_spec(job).steps[1].depends_on) == 4
    job["steps"].append(job["steps"][0] | {"name": "u", "depends_on": [link]})
    with pytest.raises(InvalidJob, match=r"^steps\[2\]\.depends_on\[0\] links too many frames"):
        decode_spec(job)


@pytest.mark.parametrize("path", ["/out", "C:\\out", "c:/out", "\\\\server\\share", "//server/share"])
def test_output_directories_of_every_system_are_taken(path: str) -> None:
    job = one_step(frames=[1, 2, 1], output_dir=path, output_pattern="a_#.png")
    assert decode_spec(job).steps[0].output_dir == path
