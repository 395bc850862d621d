"""`peerfarm jobs` and `peerfarm job`: what was submitted and how far it is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import seconds
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.filelines import job_lines, missing_lines
from peerfarm.cli.place import local_file
from peerfarm.cli.screen import Screen
from peerfarm.gateway.client import LocalClient


def add_job_argument(parser: argparse.ArgumentParser) -> None:
    """The argument that names one job; the node resolves it."""
    parser.add_argument("job", metavar="JOB", help="a job's id, the beginning of one, or a job's exact name")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm jobs`."""
    parser.add_argument("--all", action="store_true", help="archived jobs too")


def run_jobs(args: argparse.Namespace, screen: Screen) -> int:
    """List jobs, one a line."""
    with LocalClient(local_file()) as client:
        answer = client.call("jobs", all=args.all)
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    if not answer["jobs"]:
        screen.note("There are no jobs. `peerfarm submit SCENE --frames 1-24 --output DIR` sends one.")
        return ExitCode.OK
    rows = [_job_row(job) for job in answer["jobs"]]
    screen.table(("ID", "NAME", "STATUS", "DONE", "FRAMES", "TASKS", "PRIO", "USER", "SUBMITTED"), rows)
    return ExitCode.OK


def _job_row(job: dict[str, Any]) -> tuple[object, ...]:
    # An archived job keeps what its archiving node's version thought worth keeping.
    frames, tasks = job.get("frames") or {}, job.get("tasks") or {}
    return (
        job["id"],
        job["name"],
        job.get("status", "archived"),
        text.percent(job["progress"]) if "progress" in job else "-",
        f"{frames['done']}/{frames['total']}" if frames else "-",
        f"{tasks['done']}/{tasks['total']}" if tasks else "-",
        job.get("priority", "-"),
        job.get("user", "-"),
        text.local_time(job["submitted_ms"]),
    )


def add_job(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm job`."""
    add_job_argument(parser)
    parser.add_argument("--watch", action="store_true", help="follow the job until it ends")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="with --watch: give up after so many seconds")


def run_job(args: argparse.Namespace, screen: Screen) -> int:
    """Show a job with its tasks, or follow it to its end."""
    with LocalClient(local_file()) as client:
        if args.watch:
            from peerfarm.cli.watch import watch  # noqa: PLC0415 - only followed jobs need it

            end = watch(client, args.job, screen, args.timeout)
            if screen.is_json:
                screen.data(end.job)
            return end.exit_code
        job = client.call("job", job=args.job)
    if screen.is_json:
        screen.data(job)
    else:
        show_job(job, screen)
    return ExitCode.OK


def show_job(job: dict[str, Any], screen: Screen) -> None:
    """Print a job for people: a few lines on the whole, then a table of tasks for each step."""
    tasks = job["tasks"]
    screen.line(f"{screen.styled(text.clean(job['name']), 'bold')} ({job['id']}): {screen.status(job['status'])}")
    frames = f"{job['frames']['done']} of {text.count(job['frames']['total'], 'frame')}"
    kinds = ("leased", "ready", "blocked", "failed", "cancelled")
    others = "".join(f", {tasks[kind]} {kind}" for kind in kinds if tasks.get(kind))
    screen.line(f"  {text.percent(job['progress'])}: {frames}, {tasks['done']} of {tasks['total']} tasks done{others}")
    if job["output"]:
        missing = "" if job.get("is_published", job["published"]) else " (not all published yet)"
        screen.line(f"  output: {text.clean(job['output'])}{missing}")
    held = ""
    if job["held_by"] is not None and job["held_of"]:
        held = f", held by {job['held_by']} of {text.count(job['held_of'], 'other')}"
    pool = f", pool {text.clean(job['pool'])}" if job["pool"] else ""
    since = text.local_time(job["submitted_ms"])
    screen.line(f"  priority {job['priority']}{pool}, submitted by {text.clean(job['user'])} at {since}")
    screen.line(f"  dispatched by {text.clean(job['dispatcher'] or 'nobody now')}{held}")
    if job["eta_s"] is not None:
        screen.line(f"  about {text.duration(job['eta_s'])} left")
    if job["error"]:
        screen.line(screen.styled(f"  {text.clean(job['error'])}", "red"))
    for line in job_lines(job.get("file_transfer") or {}, is_stuck=bool(job.get("waits"))):
        screen.line(f"  {line}")
    for step in job["steps"]:
        after = f" after {', '.join(str(name) for name in step['depends_on'])}" if step["depends_on"] else ""
        screen.line()
        screen.line(text.clean(f"step {step['name']} ({step['app']}){after}"))
        screen.table(("TASK", "FRAMES", "STATUS", "DONE", "WORKER", "ATTEMPTS"), [_row(task) for task in step["tasks"]])
        for line in missing_lines(step.get("missing"), is_stuck=bool(job.get("waits"))):
            screen.line(line)
        left_out = step.get("task_count", 0) - len(step["tasks"])
        if left_out > 0:
            screen.note(f"and {text.count(left_out, 'task')} more; those that failed or run are shown before others")


def _row(task: dict[str, Any]) -> tuple[object, ...]:
    worker = task["worker"] or "-"
    attempts = "; ".join(_attempts_words(task["attempts"]))
    return task["task"], task["frames"] or "-", task["status"], text.percent(task["progress"]), worker, attempts or "-"


def _attempts_words(attempts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A sentence for each attempt; one for several in a row that ended in the same way."""
    for told, group in groupby(attempts, _how_it_ended):
        numbers = [attempt["number"] for attempt in group]
        span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
        yield f"{span} {told}"


def _how_it_ended(attempt: dict[str, Any]) -> str:
    words = f"{attempt['outcome']} on {attempt['worker']}"
    if attempt["outcome"] == "rendered" and attempt["render_s"]:
        return f"{words} in {text.duration(attempt['render_s'])}"
    reason = attempt["message"] or attempt["reason"]
    return f"{words}: {reason}" if reason else words
