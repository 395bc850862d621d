"""`peerfarm log`: the output of one attempt, fetched from the machine that rendered it."""

from __future__ import annotations

import argparse
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import whole_number
from peerfarm.cli.control import step_of
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.jobs import add_job_argument
from peerfarm.cli.place import local_file
from peerfarm.cli.screen import Screen
from peerfarm.gateway.client import LocalClient

LOG_LIMIT_S = 30.0
"""The log may have to come from another machine."""
LOOK_EVERY_S = 1.0


def add_log(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm log`."""
    add_job_argument(parser)
    parser.add_argument(
        "task", metavar="TASK", nargs="?", type=whole_number, help="a task's number; else the latest attempt's"
    )
    parser.add_argument("--step", metavar="STEP", help="the step that the task belongs to, by name or number")
    parser.add_argument("--attempt", metavar="N", type=whole_number, help="the attempt's number; else the latest")
    parser.add_argument("--follow", action="store_true", help="go on printing until the attempt ends")


def run_log(args: argparse.Namespace, screen: Screen) -> int:
    """Print a log, whole or as it grows."""
    params: dict[str, Any] = {"job": args.job}
    if args.task is not None:
        params["task"] = args.task
    if args.step is not None:
        params["step"] = step_of(args.step)
    if args.attempt is not None:
        params["attempt"] = args.attempt
    with LocalClient(local_file(), LOG_LIMIT_S) as client:
        attempt, offset = "", 0
        while True:
            piece = client.call("log", offset=offset, **params)
            if piece["attempt"] != attempt:
                is_other = offset > 0
                attempt, offset = piece["attempt"], 0
                if not screen.is_json:
                    screen.note(f"attempt {text.clean(attempt)} on {text.clean(piece['worker'])}")
                if is_other:
                    continue  # a new attempt has begun: its log starts at its beginning
            _show(piece, screen)
            is_more = piece["next_offset"] > offset
            offset = piece["next_offset"]
            if is_more and not piece["is_complete"]:
                continue  # a long log comes in pieces
            if piece["is_complete"] or not args.follow:
                return ExitCode.OK
            client.next_event(LOOK_EVERY_S)  # nothing is subscribed: a pause that notices a node that stops


def _show(piece: dict[str, Any], screen: Screen) -> None:
    if screen.is_json:
        screen.data(piece)
    elif piece["text"]:
        screen.raw(text.clean_log(piece["text"]))
