"""Commands that change a job: pause, resume, cancel, retry, priority, archive, delete."""

from __future__ import annotations

import argparse
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import whole_number
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.jobs import add_job_argument
from peerfarm.cli.place import local_file
from peerfarm.cli.screen import Screen
from peerfarm.gateway.client import LocalClient


def add_pause(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm pause`."""
    add_job_argument(parser)


def run_pause(args: argparse.Namespace, screen: Screen) -> int:
    """Give out no more of the job's tasks; running ones end."""
    return _change(screen, "pause", "paused", job=args.job)


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm resume`."""
    add_job_argument(parser)


def run_resume(args: argparse.Namespace, screen: Screen) -> int:
    """Go on with a paused job."""
    return _change(screen, "resume", "resumed", job=args.job)


def add_cancel(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm cancel`."""
    _add_tasks(parser)


def run_cancel(args: argparse.Namespace, screen: Screen) -> int:
    """Cancel a job or some of its tasks; running renders are stopped."""
    return _change(screen, "cancel", "cancelled", **_tasks(args))


def add_retry(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm retry`."""
    _add_tasks(parser)


def run_retry(args: argparse.Namespace, screen: Screen) -> int:
    """Try failed and cancelled tasks again."""
    return _change(screen, "retry", "retrying", **_tasks(args))


def add_priority(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm priority`."""
    add_job_argument(parser)
    parser.add_argument("priority", metavar="N", type=whole_number, help="0 to 100, higher is rendered first")


def run_priority(args: argparse.Namespace, screen: Screen) -> int:
    """Set the job's priority."""
    return _change(screen, "priority", f"priority {args.priority}:", job=args.job, priority=args.priority)


def add_archive(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm archive`."""
    add_job_argument(parser)


def run_archive(args: argparse.Namespace, screen: Screen) -> int:
    """Shrink an ended job to its summary on every node."""
    return _change(screen, "archive", "archived", job=args.job)


def add_delete(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm delete`."""
    add_job_argument(parser)


def run_delete(args: argparse.Namespace, screen: Screen) -> int:
    """Remove the job from every node; published frames stay."""
    return _change(screen, "delete", "deleted", job=args.job)


def _change(screen: Screen, method: str, said: str, **params: Any) -> int:
    with LocalClient(local_file()) as client:
        answer = client.call(method, **params)
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    job = answer["job"]
    if isinstance(job, dict):
        screen.line(f"{said} {text.clean(job['name'])} ({job['id']}): {screen.status(job['status'])}")
    else:
        screen.line(f"{said} {text.clean(job)}")
    return ExitCode.OK


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    add_job_argument(parser)
    parser.add_argument("--tasks", metavar="LIST", help="only these tasks, e.g. 3-5,9; all when left out")
    parser.add_argument("--step", metavar="STEP", help="the step that the tasks belong to, by name or number")


def _tasks(args: argparse.Namespace) -> dict[str, Any]:
    params: dict[str, Any] = {"job": args.job}
    if args.tasks is not None:
        params["tasks"] = args.tasks
    if args.step is not None:
        params["step"] = step_of(args.step)
    return params


def step_of(word: str) -> str | int:
    """A step as the node takes it: its index when the word is a number, else its name."""
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 6 else word
