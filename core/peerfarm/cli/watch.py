"""Follows one job to its end: events tell at once, and asking again now and then covers events that got lost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.filelines import fetches_in_short, home_in_short, rendering
from peerfarm.cli.screen import Screen
from peerfarm.cli.transferline import progress_fraction
from peerfarm.errors import NotRunning
from peerfarm.gateway.client import LocalClient

ASK_EVERY_S = 2.0
_ENDS = ("job/done", "job/failed", "job/cancelled")


@dataclass(frozen=True, slots=True)
class End:
    """How following a job ended."""

    exit_code: ExitCode
    job: dict[str, Any]
    """The job as last seen, as the method `job` gives it."""


def watch(client: LocalClient, job: str, screen: Screen, timeout_s: float | None = None) -> End:
    """Show a job's progress until its frames are published, it fails or is cancelled, or the time is over.

    `job` may be whatever the node resolves; without `timeout_s` it waits as long as it takes.

    Raises:
        NotRunning: The node stopped meanwhile; the job goes on where other nodes have it.
    """
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    view: dict[str, Any] = {}
    steps = _Steps(screen)
    try:
        client.call("subscribe")
        while True:
            view = client.call("job", job=job)
            job = view["id"]
            steps.show(view["progress"], view)
            code = _code_of(view)
            if code is not None:
                return _ended(End(code, view), screen)
            now_s = time.monotonic()
            if deadline_s is not None and now_s >= deadline_s:
                screen.note(f"not done within {timeout_s:g} s; the job goes on: `peerfarm job {job} --watch`")
                return End(ExitCode.TIMED_OUT, view)
            until_s = now_s + ASK_EVERY_S
            _follow_events(client, view, steps, until_s if deadline_s is None else min(until_s, deadline_s))
    except NotRunning as error:
        if view:
            hint = f"The job goes on where other nodes have it. After `peerfarm start`: `peerfarm job {job} --watch`."
            raise NotRunning("the node stopped while the job was followed", hint) from error
        raise
    except KeyboardInterrupt:
        screen.note(f"no longer following; the job goes on: `peerfarm job {job}` shows it, `cancel` stops it")
        raise
    finally:
        screen.erase()


class _Steps:
    """Shows progress: a redrawn line on a terminal, else a line for every tenth part."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said = -1
        self._files_said = -1
        self._home_said = -1
        self._why_said = ""

    def show(self, progress: float, view: dict[str, Any]) -> None:
        """Show how far the job is."""
        frames, tasks, transfer = view["frames"], view["tasks"], view.get("file_transfer") or {}
        words = f"{text.clean(view['name'])} {frames['done']}/{frames['total']} frames"
        if busy := rendering(tasks, transfer):
            words += f", {busy} rendering"
        if tasks["failed"]:
            words += f", {tasks['failed']} failed"
        if view["paused"]:
            words += ", paused"
        coming = transfer.get("frames")
        home = home_in_short(coming)
        if home:
            words += f", {home}"
        elif view["eta_s"] is not None:
            words += f", {text.duration(view['eta_s'])} left"
        fetching = transfer.get("fetching") or ()
        if fetching:
            words += f", {fetches_in_short(fetching)}"
        self._tell_why(view.get("waits", ""))
        self._screen.progress(progress, words)
        tenth = int(progress * 10)
        files = int(sum(row["progress"] for row in fetching) * 10 / len(fetching)) if fetching else -1
        tenths = int(progress_fraction(coming) * 10) if coming and home else -1
        is_news = tenth > self._said or (fetching and files != self._files_said) or (home and tenths != self._home_said)
        if not (self._screen.is_live or self._screen.is_json) and is_news:
            self._said, self._files_said, self._home_said = max(tenth, self._said), files, tenths
            self._screen.note(f"{text.percent(progress):>5}  {words}")

    def _tell_why(self, waits: str) -> None:
        """Say once what is in the job's way; how long it has been so is no news."""
        why = "".join(letter for letter in waits if not letter.isdigit())
        if why != self._why_said:
            self._why_said = why
            if waits:
                self._screen.note(text.clean(waits))

    def tell(self, event: dict[str, Any]) -> None:
        """Tell of what went wrong with a task."""
        if event.get("type") != "task/failed":
            return
        what = event.get("message") or event.get("reason") or "no reason given"
        worker = f" on {event['worker']}" if event.get("worker") else ""
        self._screen.note(text.clean(f"task {event.get('task')} failed{worker}: {what}"))


def _follow_events(client: LocalClient, view: dict[str, Any], steps: _Steps, until_s: float) -> None:
    """Show events of the job until it is time to ask again, or one says that the job has ended."""
    while (remaining_s := until_s - time.monotonic()) > 0:
        event = client.next_event(remaining_s)
        if event is None:
            return
        if event.get("job") != view["id"]:
            continue
        steps.tell(event)
        kind = event.get("type")
        if kind in _ENDS:
            return
        if kind == "job/progress":
            view = {
                **view,
                "frames": event["frames"],
                "tasks": {**view["tasks"], **event["tasks"]},
                "progress": event["progress"],
                "eta_s": None,
            }
            steps.show(event["progress"], view)
        elif kind == "frames/progress":
            view = {**view, "file_transfer": {**(view.get("file_transfer") or {}), "frames": event}}
            steps.show(view["progress"], view)
        elif kind in ("scene/progress", "scene/ended"):
            view = _with_fetch(view, event)
            steps.show(view["progress"], view)


def _with_fetch(view: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """The job as it is now that this node told how far its own fetch of the files is."""
    transfer = view.get("file_transfer") or {}
    rows = [row for row in transfer.get("fetching") or () if row["node"] != event["node"]]
    if event["type"] == "scene/progress":
        rows.insert(0, {**event, "progress": progress_fraction(event)})
    return {**view, "file_transfer": {**transfer, "fetching": rows}}


def _code_of(view: dict[str, Any]) -> ExitCode | None:
    """The outcome; None while the job is not over. Done counts once the frames have their final names."""
    if view["status"] == "done" and view.get("is_published", view["published"]):
        return ExitCode.OK
    return ExitCode.JOB_FAILED if view["status"] in ("failed", "cancelled") else None


def _ended(end: End, screen: Screen) -> End:
    screen.erase()
    view = end.job
    if end.exit_code is not ExitCode.OK:
        why = f": {text.clean(view['error'])}" if view["error"] else ""
        screen.note(f"{text.clean(view['name'])} {screen.status(view['status'])}{why}")
        if view["status"] == "failed":
            screen.note(f"  `peerfarm job {view['id']}` shows which tasks; `peerfarm log {view['id']} TASK` why.")
    elif not screen.is_json:
        where = f" in {text.clean(view['output'])}" if view["output"] else ""
        screen.line(f"{text.clean(view['name'])} done: {text.count(view['frames']['done'], 'frame')}{where}")
    return end
