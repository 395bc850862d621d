"""Job files as people write them, and what they are told when something is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from peerfarm.apps.registry import APPS
from peerfarm.errors import InvalidJob
from peerfarm.model.frames import format_frames
from peerfarm.model.job import Dependency, DependencyKind, JobSpec, Requirements, RunWhen
from peerfarm.model.jobfile import job_from_mapping, parse_job

SHOT = """\
# a comment
name: shot 010
priority: 60
pool: night
workers: luna
steps:
  - name: setup
    app: command
    params: {command: mkdirs}
  - name: render
    app: blender
    scene: /abs/scene.blend
    frames: 1-60
    chunk: 5
    output: /abs/out/beauty_####.png
    depends_on: setup
    run: always
    tries: 4
    time_limit: 2h
    stall_limit: 1m30s
    requires: {version: 4.20, memory_mb: 8000, tags: gpu}
  - name: comp
    app: blender
    frames: 1-60
    output: {dir: /abs/comp, pattern: c_%05d.exr}
    depends_on:
      - setup
      - {step: render, frames: [-1, 0]}
      - {step: render, tasks: [0, 2]}
"""


def parse(text: str, source: str = "") -> JobSpec:
    return parse_job(text, user="ada", submitted_ms=7, source=source)


def refusal(text: str) -> str:
    with pytest.raises(InvalidJob) as caught:
        parse(text, "shot.yaml")
    return str(caught.value)


def test_a_job_file_says_all_that_a_job_holds() -> None:
    job = parse(SHOT)
    assert (job.name, job.user, job.priority, job.pool, job.workers) == ("shot 010", "ada", 60, "night", ("luna",))
    assert job.submitted_ms == 7
    setup, render, comp = job.steps
    assert (setup.app, setup.params, setup.frames) == ("command", {"command": "mkdirs"}, ())
    assert (render.params, format_frames(render.frames), render.chunk_size) == (
        {"scene": "/abs/scene.blend"},
        "1-60",
        5,
    )
    assert (render.output_dir, render.output_pattern) == ("/abs/out", "beauty_####.png")
    assert (render.run, render.tries, render.time_limit_s, render.stall_limit_s) == (RunWhen.ALWAYS, 4, 7200.0, 90.0)
    assert render.requires == Requirements("4.20", 8000, 0, ("gpu",))
    assert (comp.output_dir, comp.output_pattern) == ("/abs/comp", "c_#####.exr")
    assert comp.depends_on == (
        Dependency(0),
        Dependency(1, DependencyKind.FRAMES, offsets=(-1, 0)),
        Dependency(1, DependencyKind.TASKS, tasks=(0, 2)),
    )


def test_a_single_step_needs_no_list() -> None:
    job = parse("app: ocean\nframes: 1-24\nseconds_per_frame: 0.5\noutput: /out/o.$F4.png\n", "/shots/sea.night.yaml")
    assert job.name == "sea.night"
    assert (job.steps[0].name, job.steps[0].params) == ("ocean", {"seconds_per_frame": 0.5})
    assert job.steps[0].output_pattern == "o.####.png"


def test_json_is_a_job_file_too_even_indented_by_tabs() -> None:
    job = {"name": "Größe 😀", "steps": [{"app": "ocean", "frames": "1-3"}, {"app": "ocean", "frames": 7}]}
    spec = parse(json.dumps(job, indent="\t"))
    assert spec.name == "Größe 😀"
    assert [step.name for step in spec.steps] == ["ocean", "ocean-2"]
    assert spec == job_from_mapping(job, user="ada", submitted_ms=7)


@pytest.mark.parametrize(
    ("written", "folder", "pattern"),
    [
        ("/out/a_####.png", "/out", "a_####.png"),
        ("/out/a_%04d.png", "/out", "a_####.png"),
        ("/out/a.%d.png", "/out", "a.#.png"),
        ("/out/$F4.exr", "/out", "####.exr"),
        ("/shot#1/a_$F.png", "/shot#1", "a_#.png"),
        ("/a_##.png", "/", "a_##.png"),
        ("C:\\out\\a_##.png", "C:\\out", "a_##.png"),
        ("C:/a_##.png", "C:/", "a_##.png"),
        ("\\\\server\\share\\a_##.png", "\\\\server\\share", "a_##.png"),
    ],
)
def test_padding_and_paths_are_taken_as_artists_spell_them(written: str, folder: str, pattern: str) -> None:
    step = job_from_mapping({"app": "ocean", "frames": "1", "output": written}, user="", submitted_ms=0).steps[0]
    assert (step.output_dir, step.output_pattern) == (folder, pattern)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("90s", 90.0),
        ("5m", 300.0),
        ("5 min", 300.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
    ],
)
def test_durations_are_taken_as_people_write_them(written: str, seconds: float) -> None:
    assert parse(f"app: ocean\ntime_limit: {written}\n").steps[0].time_limit_s == seconds


def test_a_name_of_digits_stays_as_written() -> None:
    assert parse("name: 010\napp: ocean\nrequires: {version: 3.10}").name == "010"
    assert parse("name: 010\napp: ocean\nrequires: {version: 3.10}").steps[0].requires.version == "3.10"


def test_words_that_older_yaml_takes_for_booleans_stay_text() -> None:
    assert parse("app: ocean\nmode: on\nday: 2024-01-05\n").steps[0].params == {"mode": "on", "day": "2024-01-05"}


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("priority: 60", "priority: high", 'line 3: priority must be a whole number from 0 to 100, not "high"'),
        ("priority: 60", "prority: 60", "line 3: prority is no field that a job can have"),
        ("priority: 60", "frames: 1-9", "line 3: frames belongs to a step"),
        ("name: comp", "name: co/mp", "line 22: steps[2].name must hold none of"),
        ("command: mkdirs", 'command: "a', "line 9: this cannot be read as YAML"),
        ("chunk: 5", "chunk: five", 'line 14: steps[1].chunk must be a whole number from 1 to 500, not "five"'),
        ("chunk: 5", "chukn: 5", "line 14: steps[1].chukn is no field that a step can have"),
        ("chunk: 5", "chunk_size: 5", "line 14: steps[1].chunk_size is no field that a step can have"),
        ("chunk: 5", "chunk:", "line 14: steps[1].chunk has no value"),
        ("chunk: 5", "frames: 2", 'line 14: "frames" is given twice; first in line 13'),
        (
            "frames: 1-60\n    chunk",
            "frames: 1-60:2\n    chunk",
            'line 13: steps[1].frames cannot be used: Frames "1-60:2", column 5',
        ),
        ("out/beauty_####.png", "out/beauty.png", "line 15: steps[1].output has no place for the frame number"),
        ("/abs/out/beauty", "out/beauty", "line 15: steps[1].output must be an absolute path"),
        ("depends_on: setup", "depends_on: steup", 'line 16: steps[1].depends_on names no step of this job: "steup"'),
        ("depends_on: setup", "depends_on: comp", 'line 16: steps[1].depends_on names a later step: "comp"'),
        ("depends_on: setup", "depends_on: render", "line 16: steps[1].depends_on names the step itself"),
        ("run: always", "run: alway", "line 17: steps[1].run must be one of on_success, always"),
        ("tries: 4", "tries: 0", "line 18: steps[1].tries must be a whole number from 1 to 100"),
        ("2h", "2 weeks", 'line 19: steps[1].time_limit is no duration: "2 weeks"'),
        ("1m30s", "-5", "line 20: steps[1].stall_limit must be a number of seconds"),
        ("memory_mb: 8000", "memory: 8000", "line 21: steps[1].requires.memory is no field"),
        ("4.20", "latest", 'line 21: steps[1].requires.version is no version: "latest"'),
        ("pattern:", "patern:", "line 25: steps[2].output.patern is no field that a job can have"),
        ("/abs/comp", "comp", "line 25: steps[2].output.dir must be an absolute path"),
        (
            "tasks: [0, 2]",
            "tasks: [0, 12]",
            "line 29: steps[2].depends_on[2].tasks must be a whole number from 0 to 11",
        ),
        ("frames: [-1, 0]", "frames: soon", "line 28: steps[2].depends_on[1].frames must be a whole number"),
        ("steps:", "steps: &all", "line 6: anchors and aliases"),
        ("scene: /abs", "scene: !!python/name:os.system /abs", "line 12: tags such as"),
        ("scene: /abs/scene.blend", "params: {scene: [[[[[[[[[[1]]]]]]]]]]}", "line 12: steps[1].params.scene"),
    ],
)
def test_a_fault_is_told_with_file_line_and_field(was: str, now: str, message: str) -> None:
    assert was in SHOT
    assert refusal(SHOT.replace(was, now, 1)).startswith(f"shot.yaml, {message}")


def test_the_hint_names_what_was_probably_meant() -> None:
    with pytest.raises(InvalidJob) as caught:
        parse("app: ocean\nframse: 1-9\n")
    assert caught.value.hint.startswith('Did you mean "frames"?')


@pytest.mark.parametrize(
    "text",
    [
        *("", "just text", "[1, 2]", "steps: []", "frmaes: 1-9", "a: b: c", "--- {}\n--- {}\n", "? [a]\n: b"),
        *("{" * 5000, "[" * 5000, "- " * 5000, "a: &x [*x]", "a: *b", '"\\UFFFFFFFF"', "%YAML 99999999999999"),
        *("x\0y", '"\\ud83d"', "\t"),
    ],
)
def test_what_is_no_job_is_refused_and_never_crashes(text: str) -> None:
    assert refusal(text).startswith("shot.yaml")


def test_a_text_beyond_the_limit_is_refused_unread() -> None:
    assert "larger than 256 KiB" in refusal("app: ocean\n" + "#" * 300_000)


def test_a_flood_of_values_is_refused() -> None:
    assert "more than 20000 values" in refusal("app: ocean\nlist: [" + "1," * 30_000 + "]")


def test_a_job_that_cannot_be_sent_around_is_refused_at_submission() -> None:
    steps = [{"app": "ocean", "note": "x" * 9000} for _ in range(7)]
    with pytest.raises(InvalidJob, match="at most 60000 can be sent around"):
        job_from_mapping({"steps": steps}, user="ada", submitted_ms=0)


def test_a_parameter_given_twice_is_refused() -> None:
    assert refusal("app: ocean\nseed: 1\nparams: {seed: 2}").endswith(
        "params.seed is given twice: in params and beside it"
    )


def test_every_parameter_of_every_app_may_stand_beside_the_fields() -> None:
    names: set[str] = set()
    for app in APPS.values():
        try:
            app.check_params({"no such parameter": 1})
        except InvalidJob as error:
            names |= set(error.hint.removeprefix("Known are: ").rstrip(".").split(", "))
    assert {"scene", "seed", "command"} <= names
    for name in names:
        assert parse(f"app: ocean\n{name}: 1\n").steps[0].params == {name: 1}


@pytest.mark.parametrize(
    "value", [None, 5, [], {"steps": 5}, {"steps": [5]}, {5: 1}, {"app": 5}, {"app": "x", "frames": 1.5}]
)
def test_a_request_that_is_no_job_is_refused(value: Any) -> None:
    with pytest.raises(InvalidJob):
        job_from_mapping(value, user="ada", submitted_ms=0)
