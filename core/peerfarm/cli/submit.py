"""`peerfarm submit`: a scene, an app without a scene, or a job file becomes a job of the farm."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import file_fault, read_plain, seconds, whole_number
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.jobspec import SCENE_APPS, Wish, app_of_scene, build_job, is_job_file, parse_params
from peerfarm.cli.place import absolute, local_file
from peerfarm.cli.queuejob import QUEUE_APP, queue_job
from peerfarm.cli.screen import Screen
from peerfarm.cli.transferline import TransferLine
from peerfarm.errors import RequestRefused
from peerfarm.gateway.client import LocalClient

INSPECT_LIMIT_S = 120.0
"""The application opens the scene to read its defaults; a large one takes its time."""
JOB_FILE_LIMIT = 900_000
"""Bytes; a request holds at most 1 MiB, and the node takes less still."""
_SHOWN = 3
_OF_THE_JOB = (
    *("app", "frames", "chunk", "item", "output", "name", "priority", "pool", "worker"),
    *("tries", "time_limit", "stall_limit", "version", "any_version", "param", "paused", "files", "overwrite"),
)


def add_submit(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm submit`."""
    add = parser.add_argument
    add(
        "file",
        metavar="FILE",
        nargs="?",
        help="a scene (.blend, .ma, .mb, .aep) or a job file (.yaml, .json); none with --app ocean",
    )
    add("--app", metavar="APP", help="the application; else known by the scene's extension")
    add("--frames", metavar="LIST", help="e.g. 1-60 or 1-100x5,200; else as the scene says")
    add("--chunk", metavar="N", type=whole_number, help="frames that one task renders")
    add("--item", metavar="N", type=whole_number, help="After Effects: only this place in the render queue, from 1")
    add("--output", metavar="DIR", help="directory of the frames, with or without a name such as shot_####.png")
    add("--name", metavar="NAME", help="name of the job; else the scene's")
    add("--priority", metavar="N", type=whole_number, help="0 to 100, higher is rendered first; 50 when left out")
    add("--pool", metavar="POOL", help="only workers of this pool")
    add("--worker", metavar="NAME", nargs="+", action="extend", help="only these workers, by name or id")
    add("--tries", metavar="N", type=whole_number, help="attempts before a task has failed for good")
    add("--time-limit", metavar="TIME", type=_limit, help="longest run of one attempt: seconds, or 90s, 5m, 1h30m")
    add("--stall-limit", metavar="TIME", type=_limit, help="longest silence of one attempt, written likewise")
    versions = parser.add_mutually_exclusive_group()
    versions.add_argument("--version", metavar="V", help="version of the application, e.g. 4.2; else the scene's")
    versions.add_argument("--any-version", action="store_true", default=None, help="take any version")
    add("--param", metavar="KEY=VALUE", action="append", help="a parameter of the application; may be repeated")
    add(
        "--files",
        choices=("peers", "shared"),
        help="how files reach the workers: from node to node (peers), or through storage that all see (shared); when "
        "left out, shared where scene and output lie below directories of the setting `shared`, else peers",
    )
    add("--overwrite", action="store_true", default=None, help="replace frames that stand in the output directory")
    add("--allow-missing", action="store_true", default=None, help="submit although the scene misses files")
    add("--paused", action="store_true", default=None, help="submit without starting; `peerfarm resume` starts it")
    add("--wait", action="store_true", help="wait until the frames are there; the exit code tells the outcome")
    add("--timeout", metavar="S", type=seconds, help="with --wait: give up waiting after so many seconds")


def run_submit(args: argparse.Namespace, screen: Screen) -> int:
    """Send the job, and with `--wait` follow it to its end."""
    request = _job_file(args) if args.file and is_job_file(args.file) else None
    wish = None if request else _wish(args)
    not_shared: list[str] = []
    with LocalClient(local_file(), INSPECT_LIMIT_S) as client:
        if request is None:
            assert wish is not None, "there is a wish where there is no job file"
            job, not_shared = _inspected_job(client, wish, screen)
            if args.files:
                job["files"] = args.files
            if args.overwrite:
                job["overwrite"] = True
            request = {"job": job}
        if args.allow_missing:
            request["allow_missing"] = True
        answer = _send(client, request, screen)
        for warning in answer["warnings"]:
            screen.note(f"warning: {text.clean(warning)}")
        if not_shared and "files" not in answer:
            screen.note(f"warning: {text.clean(_not_shared_words(not_shared))}")
        if not screen.is_json:
            words = f"{text.count(answer['frames'], 'frame')} in {text.count(answer['tasks'], 'task')}"
            if answer.get("files"):
                files = f"{text.count(answer['files'], 'file')}, {text.size(answer['size_bytes'])}"
                words += f"; {files} in all, on their way to the workers"
            screen.line(f"submitted {answer['job']}: {words}")
        if not args.wait:
            if screen.is_json:
                screen.data(answer)
            return ExitCode.OK
        from peerfarm.cli.watch import watch  # noqa: PLC0415 - only followed jobs need it

        end = watch(client, answer["job"], screen, args.timeout)
    if screen.is_json:
        outcome = {name: end.job[name] for name in ("status", "published", "output", "error", "progress")}
        screen.data({**answer, **outcome})
    return end.exit_code


def _send(client: LocalClient, request: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """Submit; while the node packs the job's files, show how far it is. Interrupting it submits nothing."""
    transfer = TransferLine(screen)
    try:
        return client.follow("submit", transfer.show, **request)
    except KeyboardInterrupt:
        screen.note("not submitted")
        raise
    finally:
        screen.erase()


def _not_shared_words(folders: Sequence[str]) -> str:
    more = f" and {text.count(len(folders) - _SHOWN, 'more folder')}" if len(folders) > _SHOWN else ""
    return (
        f"the scene needs files in {', '.join(folders[:_SHOWN])}{more}, which other machines may not see; "
        "submit with --files peers to bring them along"
    )


def _inspected_job(client: LocalClient, wish: Wish, screen: Screen) -> tuple[dict[str, Any], list[str]]:
    """The job, and the folders with files of its scene that do not lie on shared storage as the scene does."""
    if not wish.scene:
        return build_job(wish, None), []
    try:
        scene = client.call("inspect", app=wish.app, path=wish.scene)
    except RequestRefused as error:
        if not (wish.frames and wish.output):
            raise
        # A machine without the application can still submit what others render.
        screen.note(f"warning: the scene was not looked into: {text.clean(error)}")
        scene = {}
    for warning in scene.get("warnings", ()):
        screen.note(f"warning: {text.clean(warning)}")
    job = queue_job(wish, scene or None) if wish.app == QUEUE_APP else build_job(wish, scene)
    return job, scene.get("not_shared", [])


def _wish(args: argparse.Namespace) -> Wish:
    scene = absolute(args.file) if args.file else ""
    if scene and (fault := file_fault(scene)):
        raise RequestRefused(f"{args.file} {fault}", "Give a scene or a job file.")
    app = args.app or app_of_scene(scene)
    if not app:
        known = ", ".join(SCENE_APPS)
        if scene:
            missing = "" if os.path.lexists(scene) else ", and there is no such file"
            message = f"no application is known for {args.file!r}{missing}"
            raise RequestRefused(message, f"Give a scene ({known}), a job file (.yaml, .json), or say --app.")
        raise RequestRefused(
            "there is nothing to submit", f"Give a scene ({known}) or a job file before the options, or --app ocean."
        )
    if args.item is not None and app != QUEUE_APP:
        raise RequestRefused(f"--item is for projects of After Effects, and {app} has no render queue", "Leave it out.")
    return Wish(
        app=app,
        scene=scene,
        output=absolute(args.output) if args.output else "",
        frames=args.frames or "",
        chunk=args.chunk,
        name=args.name or "",
        priority=args.priority,
        pool=args.pool or "",
        workers=tuple(args.worker or ()),
        tries=args.tries,
        time_limit=args.time_limit,
        stall_limit=args.stall_limit,
        version=args.version or "",
        is_any_version=bool(args.any_version),
        params=parse_params(args.param or ()),
        item=args.item,
        is_paused=bool(args.paused),
    )


def _limit(word: str) -> float | str:
    """Seconds as a number; any other text is left to the node, which knows how durations are written."""
    try:
        seconds = float(word)
    except ValueError:
        return word
    return seconds if math.isfinite(seconds) else word


def _job_file(args: argparse.Namespace) -> dict[str, Any]:
    given = [name for name in _OF_THE_JOB if getattr(args, name) is not None]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise RequestRefused(f"{option} does not go with a job file", f"Write it into {args.file} instead.")
    path = absolute(args.file)
    if fault := file_fault(path):
        raise RequestRefused(f"the job file {args.file} {fault}", "Give a plain file of YAML or JSON.")
    try:
        content = read_plain(path, JOB_FILE_LIMIT + 1)
        if len(content) > JOB_FILE_LIMIT:
            message = f"the job file {args.file} is larger than {JOB_FILE_LIMIT} bytes"
            raise RequestRefused(message, "Split the job, or write frames as ranges.")
        return {"text": content.decode("utf-8-sig"), "source": os.path.basename(path)}  # noqa: PTH119 - the path is text, as in `place`
    except OSError as error:
        message = f"the job file {args.file} cannot be read: {error.strerror or error}"
        raise RequestRefused(message, "Check its name and its permissions.") from error
    except UnicodeDecodeError:
        raise RequestRefused(f"the job file {args.file} is not text in UTF-8", "Save it as UTF-8.") from None
