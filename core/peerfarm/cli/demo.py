"""`peerfarm demo`: a small farm on this machine renders together, and loses a node on the way."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from peerfarm.cli import text
from peerfarm.cli.arguments import seconds, whole_number
from peerfarm.cli.demo_job import PATTERN, Wish, build_job, choose_app, frame_numbers, make_scene
from peerfarm.cli.demo_nodes import NAMES, SERVER, Farm, FarmNode, listed
from peerfarm.cli.demo_report import Report, make_report, tell
from peerfarm.cli.demo_stage import Stage, stage_for
from peerfarm.cli.demo_verify import OWN
from peerfarm.cli.demo_watch import Watch
from peerfarm.cli.place import absolute
from peerfarm.config import find_home, load_settings
from peerfarm.errors import PeerfarmError, RequestRefused
from peerfarm.model.render import frame_name

AGREE_LIMIT_S = 45.0
MOST_FRAMES = 2000
DEFAULT_OUTPUT = "peerfarm-demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm demo`."""
    add = parser.add_argument
    add(
        "--nodes",
        type=whole_number,
        default=3,
        metavar="N",
        help=f"rendering nodes, 1 to {len(NAMES)}; 3 when left out",
    )
    add("--frames", default="1-24", metavar="LIST", help="1-24 when left out")
    add("--chunk", type=whole_number, default=2, metavar="N", help="frames that one task renders; 2 when left out")
    add("--app", choices=("blender", "ocean"), help="Blender when it is found, else the built-in renderer ocean")
    add("--scene", metavar="FILE", help="a .blend file of yours; else a sea that the demo makes")
    add(
        "--kill",
        choices=("worker", "submitter", "server", "none"),
        default="worker",
        help="which node loses its power meanwhile: one that renders (when left out), the one that took the job, "
        "or a server through which the others joined",
    )
    add("--output", metavar="DIR", help=f"where the frames go; ./{DEFAULT_OUTPUT} when left out")
    add("--timeout", type=seconds, default=900.0, metavar="S", help="give up after so many seconds of rendering")
    add("--keep", action="store_true", help="keep the nodes' directories, with their logs")


@dataclass(frozen=True, slots=True)
class _Demo:
    args: argparse.Namespace
    wish: Wish
    frames: list[int]
    directory: Path
    """Temporary: the homes and the scene."""
    stage: Stage


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 only when every frame is whole, nothing was rendered twice and the nodes agree.

    Raises:
        PeerfarmError: The wish is wrong, a node does not start, or Blender is missing; nothing stays running.
    """
    wish, frames = _wish(args)
    stage = stage_for(args.json)
    _make_output(wish, frames, stage)
    directory = Path(tempfile.mkdtemp(prefix="peerfarm-demo-"))
    try:
        with _stopping_on_signals():
            report = _run(_Demo(args, wish, frames, directory, stage))
    finally:
        if args.keep:
            stage.say(f"The nodes' directories are kept in {directory}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if args.json:
        print(json.dumps(report.data), flush=True)
    return report.exit_code


def _wish(args: argparse.Namespace) -> tuple[Wish, list[int]]:
    scene = absolute(args.scene) if args.scene else ""
    if not 1 <= args.nodes <= len(NAMES):
        raise RequestRefused(f"--nodes {args.nodes} is not between 1 and {len(NAMES)}", "3 show it well.")
    if args.nodes == 1 and args.kill in ("worker", "submitter"):
        raise RequestRefused(f"--kill {args.kill} leaves nobody to render with --nodes 1", "Say --nodes 2 or more.")
    if scene and args.app == "ocean":
        raise RequestRefused("the app ocean renders no scene file", "Leave --scene away, or say --app blender.")
    if scene and not Path(scene).is_file():
        raise RequestRefused(f"there is no scene file {scene}", "Check the path.")
    if args.chunk < 1:
        raise RequestRefused(f"--chunk {args.chunk} is less than 1", "2 shows it well.")
    wish = Wish(args.app or "", scene, args.frames, args.chunk, Path(absolute(args.output or DEFAULT_OUTPUT)))
    frames = frame_numbers(wish)
    if len(frames) > MOST_FRAMES:
        raise RequestRefused(f"{len(frames)} frames are too many for a demo", f"At most {MOST_FRAMES}.")
    return wish, frames


def _make_output(wish: Wish, frames: list[int], stage: Stage) -> None:
    """Make the output directory, and take away the frames of an earlier demo, so that none counts as new."""
    try:
        wish.output.mkdir(parents=True, exist_ok=True)
        old = [path for frame in frames if (path := wish.output / frame_name(PATTERN, frame)).exists()]
        for path in old:
            path.unlink()
    except OSError as error:
        message = f"the output directory {wish.output} cannot be used: {error.strerror or error}"
        raise RequestRefused(message, "Choose another with --output.") from error
    if old:
        stage.say(f"{text.count(len(old), 'frame')} of an earlier demo removed from {wish.output}.")


def _run(demo: _Demo) -> Report:
    args, stage = demo.args, demo.stage
    scene = Path(demo.wish.scene) if demo.wish.scene else demo.directory / "scene" / "ocean.blend"
    farm = Farm(demo.directory, [demo.wish.output, scene.parent])
    blender = list(_configured_blender())
    server = farm.add(SERVER, render=False) if args.kill == "server" else None
    # At normal priority: the demo is what this machine is for at the moment.
    workers = [farm.add(name, blender=blender, nice=0) for name in NAMES[: args.nodes]]
    with _closing(farm, demo):
        names = listed([node.name for node in workers])
        extra = f", and {server}, which renders nothing" if server else ""
        stage.say(f"Starting {text.count(len(workers), 'node')} on this machine: {names}{extra}.")
        farm.start(stage.say)
        farm.await_apps()
        app = choose_app(demo.wish, farm)
        if app["app"] == "blender" and not demo.wish.scene:
            stage.say(f"Blender {app['version']} makes a small scene, a sea at sunset.")
            make_scene(app["executable"], scene, demo.frames)
        return _render(demo, farm, server, workers, app, scene)


def _render(
    demo: _Demo, farm: Farm, server: FarmNode | None, workers: list[FarmNode], app: dict[str, Any], scene: Path
) -> Report:
    stage, submitter = demo.stage, workers[0]
    job = build_job(demo.wish, app, scene if app["app"] == "blender" else None, len(workers))
    submitted_ns, started_s = time.monotonic_ns(), time.monotonic()
    answer = submitter.call("submit", job=job)
    what = f"Blender {app['version']}" if app["app"] == "blender" else "the built-in renderer ocean"
    stage.say(
        f"{text.count(answer['frames'], 'frame')} for {what} submitted to {submitter}, "
        f"{text.count(answer['tasks'], 'task')} of {text.count(demo.wish.chunk, 'frame')} each.",
        "bold",
    )
    for warning in answer["warnings"]:
        stage.say(f"Warning: {warning}", "yellow")
    watch = Watch(farm, stage, submitter, demo.args.kill, server, answer["job"], started_s)
    watch.follow(demo.args.timeout)
    if demo.args.kill != "none" and watch.killed is None:
        stage.say("The job was over before a node could be killed: give it more --frames.", "yellow")
    agreement = farm.await_agreement(AGREE_LIMIT_S)
    names = [frame_name(PATTERN, frame) for frame in demo.frames]
    report = make_report(farm, watch, names, demo.wish.output, app, submitted_ns, agreement)
    tell(report, stage)
    return report


@contextmanager
def _closing(farm: Farm, demo: _Demo) -> Iterator[None]:
    """End the nodes whatever happens, and take away what the attempts kept for themselves."""
    try:
        yield
    finally:
        demo.stage.clear()
        with _ignoring_signals():
            jobs = _jobs_of(farm)
            farm.close()
            for job in jobs:
                shutil.rmtree(demo.wish.output / OWN / job, ignore_errors=True)
            with suppress(OSError):
                (demo.wish.output / OWN).rmdir()  # stays when something else lies in it


def _jobs_of(farm: Farm) -> list[str]:
    for node in farm.living:
        with suppress(PeerfarmError):
            return [row["id"] for row in node.call("jobs")["jobs"]]
    return []


def _configured_blender() -> tuple[str, ...]:
    """Blenders that the user's own node is told to use."""
    chosen = {name: value for name, value in os.environ.items() if name == "PEERFARM_BLENDER"}
    return load_settings(find_home(os.environ).settings, chosen).blender


def _signals() -> list[signal.Signals]:
    return [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Let a polite end of this process be like Ctrl-C, so that no node is left running."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in _signals()]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    """Let nothing interrupt putting the nodes away; that has limits of its own."""
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in (signal.SIGINT, *_signals())]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
