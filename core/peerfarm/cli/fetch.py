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
from peerfarm.cli.transferline import TransferLine
from peerfarm.gateway.client import LocalClient

SILENCE_S = 300.0
"""A node that says nothing of a fetch for so long does not carry it out any more."""


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
        client.call("subscribe")
        begun = client.call("fetch", **params)
        end = _follow(client, begun, screen, args.timeout)
    if screen.is_json:
        screen.data({**begun, **end})
    else:
        _tell(begun, end, screen)
    if end.get("is_timed_out"):
        return ExitCode.TIMED_OUT
    return ExitCode.REFUSED if end["missing_count"] or end["error"] else ExitCode.OK


def _follow(client: LocalClient, begun: dict[str, Any], screen: Screen, timeout_s: float | None) -> dict[str, Any]:
    line = TransferLine(screen)
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    try:
        while True:
            left_s = SILENCE_S if deadline_s is None else min(SILENCE_S, deadline_s - time.monotonic())
            event = client.next_event(left_s) if left_s > 0 else None
            if event is None:
                client.call("cancel_fetch", fetch=begun["fetch"])
                error = "the fetch did not end in time; what has come stays, and another fetch goes on from there"
                return {"missing": [], "missing_count": begun["frames"], "error": error, "is_timed_out": True}
            if event.get("fetch") != begun["fetch"]:
                continue
            if event["type"] == "fetch/ended":
                return {name: event[name] for name in ("missing", "missing_count", "error", "fetched")}
            line.show(event)
    except KeyboardInterrupt:
        client.call("cancel_fetch", fetch=begun["fetch"])
        screen.note("no longer fetching; what has come stays")
        raise
    finally:
        screen.erase()


def _tell(begun: dict[str, Any], end: dict[str, Any], screen: Screen) -> None:
    if "fetched" in end:
        where = ", ".join(text.clean(directory) for directory in begun["directories"])
        screen.line(f"fetched {text.count(end['fetched'], 'frame')} into {where}")
    if end["error"]:
        screen.note(f"peerfarm: {text.clean(end['error'])}")
    if end["missing_count"]:
        shown = ", ".join(text.clean(name) for name in end["missing"][:10])
        more = f" and {end['missing_count'] - 10} more" if end["missing_count"] > 10 else ""
        screen.note(f"{text.count(end['missing_count'], 'frame')} missing: {shown}{more}")
