"""`peerfarm fetch`: brings a job's frames from the nodes that hold them into a folder of this machine."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby, islice
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import seconds
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.jobs import add_job_argument
from peerfarm.cli.place import absolute, local_file
from peerfarm.cli.screen import Screen
from peerfarm.cli.transferline import TransferLine
from peerfarm.errors import PeerfarmError
from peerfarm.gateway.client import LocalClient

LISTEN_S = 60.0
"""The node tells the end of every fetch, and a node that dies closes the connection; this is only between looks."""
_SHOWN = 10


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
        end = _follow(args, client, begun, screen)
    if screen.is_json:
        screen.data({**begun, **end})
    else:
        _tell(args, begun, end, screen)
    if end["is_timed_out"]:
        return ExitCode.TIMED_OUT
    return ExitCode.REFUSED if end["missing_count"] or end["is_cancelled"] else ExitCode.OK


def _follow(args: argparse.Namespace, client: LocalClient, begun: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """The last event of the fetch; the time limit and Ctrl-C cancel it."""
    line = TransferLine(screen)
    deadline_s = None if args.timeout is None else time.monotonic() + args.timeout
    is_timed_out = False
    try:
        while True:
            left_s = LISTEN_S if deadline_s is None or is_timed_out else deadline_s - time.monotonic()
            event = client.next_event(min(LISTEN_S, left_s)) if left_s > 0 else None
            if event is None:
                if not is_timed_out and deadline_s is not None and time.monotonic() >= deadline_s:
                    is_timed_out = True
                    with suppress(PeerfarmError):  # it may have ended in the same moment
                        client.call("cancel_fetch", job=begun["job"])
            elif event.get("job") == begun["job"]:
                line.show(event)
                if event["type"] == "fetch/ended":
                    return {**event, "is_timed_out": is_timed_out}
    except KeyboardInterrupt:
        with suppress(PeerfarmError):  # it may have ended in the same moment
            client.call("cancel_fetch", job=begun["job"])
        screen.note(f"the fetch is cancelled; what has come stays. To go on from there: `{_again(args)}`")
        raise
    finally:
        screen.erase()


def _tell(args: argparse.Namespace, begun: dict[str, Any], end: dict[str, Any], screen: Screen) -> None:
    where = ", ".join(text.clean(directory) for directory in begun["directories"])
    screen.line(f"fetched {end['done']} of {text.count(end['total'], 'task')} into {where}")
    if end["is_timed_out"]:
        screen.note("peerfarm: the fetch did not end in time")
    if begun["not_done"]:
        screen.note(f"{text.count(begun['not_done'], 'task')} not rendered yet")
    if end["missing_count"]:
        screen.note(f"{text.count(end['missing_count'], 'task')} missing:")
        shown = 0
        for _, group in islice(groupby(end["missing"], _why), _SHOWN):
            rows = list(group)
            screen.note(f"  {_missing_words(rows)}")
            shown += len(rows)
        if end["missing_count"] > shown:
            screen.note(f"  and {end['missing_count'] - shown} more")
    waits_for = [text.clean(name) for name in end.get("waits_for", ())]
    if waits_for:
        screen.note(f"waiting for {' and '.join(waits_for)}: when back, run `{_again(args)}`")
    elif end["is_timed_out"] or end["is_cancelled"] or begun["not_done"]:
        screen.note(f"to go on from there: `{_again(args)}`")


def _why(row: dict[str, Any]) -> tuple[Any, ...]:
    """What tasks have in common that are told of in one line."""
    return row["step"], row["why"], row.get("waits_for")


def _missing_words(rows: Sequence[dict[str, Any]]) -> str:
    """One line for tasks in a row that are missing for the same reason."""
    first, last = rows[0], rows[-1]
    frames = ", ".join(text.clean(row["frames"]) for row in rows[:_SHOWN] if row["frames"])
    if frames:
        frames = f" ({'frame' if frames.isdigit() else 'frames'} {frames}{', …' if len(rows) > _SHOWN else ''})"
    tasks = f"task {first['task']}" if len(rows) == 1 else f"tasks {first['task']} to {last['task']}"
    step = text.clean(first.get("step_name") or first["step"])
    holder = f"; {text.clean(first['waits_for'])} has them and is not here" if first.get("waits_for") else ""
    return f"step {step}, {tasks}{frames}: {text.clean(first['why'])}{holder}"


def _again(args: argparse.Namespace) -> str:
    """The same command once more, as a shell of this system reads it."""
    words = ["peerfarm", "fetch", args.job]
    if args.directory:
        words.append(args.directory)
    if args.overwrite:
        words.append("--overwrite")
    return text.clean(" ".join(map(_quoted, words)))


def _quoted(word: str) -> str:
    if os.name != "nt":
        return shlex.quote(word)
    return f'"{word}"' if " " in word else word
