"""`peerfarm fetch`: brings a job's frames from the nodes that hold them into a folder of this machine."""

from __future__ import annotations

import argparse
import time
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import seconds
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.jobs import add_job_argument
from peerfarm.cli.place import absolute, local_file
from peerfarm.cli.screen import Screen
from peerfarm.errors import NoAnswer
from peerfarm.gateway.client import LocalClient

SILENCE_S = 300.0
"""A node that says nothing of a fetch for so long does not carry it out any more."""
SHOWN = 10


def add_fetch(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm fetch`."""
    add_job_argument(parser)
    add = parser.add_argument
    add("directory", metavar="DIR", nargs="?", help="where the frames go; else the job's own output directory, here")
    add("--overwrite", action="store_true", help="replace files of that name that hold something else")
    add("--timeout", metavar="S", type=seconds, help="give up after so many seconds")


def run_fetch(args: argparse.Namespace, screen: Screen) -> int:
    """Fetch every frame that is done, and say what is missing."""
    params: dict[str, Any] = {"job": args.job, "overwrite": args.overwrite}
    if args.directory:
        params["directory"] = absolute(args.directory)
    with LocalClient(local_file()) as client:
        begun = client.call("fetch", **params)
        end = _follow(client, begun, screen, args.timeout)
    if screen.is_json:
        screen.data({**begun, **end})
    else:
        _tell(begun, end, screen)
    return ExitCode.REFUSED if end["missing_count"] or begun["not_done"] else ExitCode.OK


def _follow(client: LocalClient, begun: dict[str, Any], screen: Screen, timeout_s: float | None) -> dict[str, Any]:
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    try:
        while True:
            left_s = SILENCE_S if deadline_s is None else min(SILENCE_S, deadline_s - time.monotonic())
            event = client.next_event(left_s) if left_s > 0 else None
            if event is None:
                client.call("cancel_fetch", job=begun["job"])
                raise NoAnswer(
                    "the fetch did not end in time", "What has come stays, and another fetch goes on from there."
                )
            if event.get("job") != begun["job"]:
                continue
            if event["type"] == "fetch/ended":
                return {name: event[name] for name in ("done", "total", "missing", "missing_count", "is_cancelled")}
            if event["type"] == "fetch/progress":
                words = f"fetching: {event['done']} of {text.count(event['total'], 'task')}"
                screen.progress(event["done"] / max(event["total"], 1), words)
    except KeyboardInterrupt:
        client.call("cancel_fetch", job=begun["job"])
        screen.note("no longer fetching; what has come stays")
        raise
    finally:
        screen.erase()


def _tell(begun: dict[str, Any], end: dict[str, Any], screen: Screen) -> None:
    where = ", ".join(text.clean(directory) for directory in begun["directories"])
    screen.line(f"fetched the frames of {end['done']} of {text.count(end['total'], 'finished task')} into {where}")
    for row in end["missing"][:SHOWN]:
        frames = f"frames {row['frames']}" if row["frames"] else f"task {row['task']}"
        screen.note(f"missing: {frames} of step {row['step']}: {text.clean(row['why'])}")
    if end["missing_count"] > SHOWN:
        screen.note(f"and {end['missing_count'] - SHOWN} tasks more are missing")
    if begun["not_done"]:
        screen.note(f"{text.count(begun['not_done'], 'task')} of the job {_are(begun['not_done'])} not done yet")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
