"""The runner: starts and stops renders in slots, reads their logs, verifies and publishes their frames."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from peerfarm.apps.base import App
from peerfarm.config import Settings
from peerfarm.model.collected import Collected
from peerfarm.model.files import StepFiles
from peerfarm.model.job import FilesMode
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import (
    AttemptFailed,
    Capability,
    Discovered,
    FailReason,
    Inspected,
    PublishOrder,
    PublishResult,
    RenderTask,
    RunnerEvent,
)
from peerfarm.node.inputs import PathsChecked
from peerfarm.runner import discovery, leftovers
from peerfarm.runner.attempt import Attempt
from peerfarm.runner.attemptlog import LogPart, read_part
from peerfarm.runner.collecting import collect, named_files
from peerfarm.runner.deliver import deliver
from peerfarm.runner.environment import cleaned, dropped
from peerfarm.runner.errands import Errands
from peerfarm.runner.failures import explain
from peerfarm.runner.files import Files
from peerfarm.runner.paths import is_label
from peerfarm.runner.pool import Call, FilePool
from peerfarm.runner.previews import LIMIT_S as PREVIEW_LIMIT_S
from peerfarm.runner.previews import Previews
from peerfarm.runner.process import adopt_orphans
from peerfarm.runner.publish import publish
from peerfarm.runner.quietlogs import QuietLogs
from peerfarm.runner.sharedpaths import path_here, paths_here
from peerfarm.runner.starts import Starts
from peerfarm.runner.submission import check_submission
from peerfarm.runner.workplace import LOG_NAME, Workplace, make_empty

RunnerNews = RunnerEvent | PublishResult | Discovered | Inspected | PathsChecked | Previewed
"""Everything that a runner posts."""

PUBLISH_LIMIT_S = 60.0
"""For one frame: 6 GB at 100 MB/s."""
CHECK_LIMIT_S = 8.0
"""A little less than the ten seconds that the node waits before it says that no answer came."""
INSPECT_LIMIT_S = 55.0
"""More than a scene is given to open, less than the minute that the node waits."""
DISCOVER_LIMIT_S = 90.0
"""For one program; it is given a minute to answer."""
CLEAN_LIMIT_S = 300.0
_PROGRAMS, _CLEANING = "programs", "cleaning"
"""Lanes that are no path."""

_logger = logging.getLogger(__name__)


class ProcessRunner:
    """Runs attempts as processes. Every method returns at once; what comes of it is posted from other threads.

    One persistent thread a slot starts its processes and waits for them. Two pools do what may hang on a storage that
    does not answer: one moves files, one looks at paths and asks programs. Whatever goes wrong is posted as an event.
    """

    def __init__(
        self,
        data: Path,
        settings: Settings,
        apps: Mapping[str, App],
        post: Callable[[RunnerNews], None],
        files: Files | None = None,
    ) -> None:
        """Open the node's attempts.

        Args:
            data: The node's own directory; `attempts` and `work` are made in it.
            apps: Name -> app, all that tasks may ask for.
            post: Called from any thread.
            files: The node's store and its peers', for jobs whose files travel between nodes.

        Raises:
            OSError: The directory cannot be written.
        """
        attempts = data / "attempts"
        attempts.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._apps = apps
        self._post = post
        self._place = Workplace(
            data=data,
            settings=settings,
            environment=cleaned(os.environ),
            dropped=dropped(os.environ),
            starts=Starts(attempts),
            quiet_logs=QuietLogs(attempts),
            post=post,
            files=files,
        )
        self._capabilities: tuple[Capability, ...] = ()
        self._lock = threading.Lock()
        self._running: dict[str, Attempt] = {}
        self._slots: dict[int, Errands] = {}
        self._publishing: dict[str, threading.Event] = {}
        """Attempt -> whether its frames are wanted no more, while they are being put in place."""
        self._files = FilePool("files")
        self._questions = FilePool("questions")
        self._pictures = FilePool("previews", threads=1, room=64)
        self._previews = Previews(self._place)
        self._forgotten: set[str] = set()
        adopt_orphans()

    # Settings

    def set_settings(self, settings: Settings) -> None:
        """Use other settings from the next attempt on."""
        self._place.settings = settings

    def allow_root(self, path: str) -> None:
        """Let jobs read and write below one more directory."""
        settings = self._place.settings
        if path not in settings.roots:
            self._place.settings = replace(settings, roots=(*settings.roots, path))

    # Questions

    def discover(self) -> None:
        """Find the applications of this machine; posts Discovered."""
        what = "looking for the applications of this machine"
        self._questions.add(Call(_PROGRAMS, what, DISCOVER_LIMIT_S, self._discover, self._discovered_late))

    def _discover(self, moved: Callable[[], None]) -> None:
        try:
            found = discovery.discover(self._apps, self._place, moved)
        except Exception as error:  # noqa: BLE001 - the node must hear that nothing was found, and why
            found = Discovered((), (explain(error)[1],))
        self._capabilities = found.capabilities
        self._post(found)

    def _discovered_late(self, why: str) -> None:
        self._post(Discovered(self._capabilities, (why,)))

    def inspect(self, request: str, app: str, path: str) -> None:
        """Look into a scene for a user of this machine; posts Inspected, after any search that is going on."""
        self._questions.add(
            Call(
                _PROGRAMS,
                f"looking into {path}",
                INSPECT_LIMIT_S,
                lambda _: self._post(discovery.inspect(request, app, path, self._capabilities, self._place)),
                lambda why: self._post(Inspected(request, None, why)),
            )
        )

    def collect(self, step: StepFiles, system: str, name: str, is_cancelled: Callable[[], bool]) -> Collected | None:
        """Which files a step needs; waits for the application, so never call it from the loop. See `collecting`."""
        return collect(self._apps[step.app], step.params, system, self._capabilities, self._place, name, is_cancelled)

    def named(self, paths: tuple[str, ...], system: str, is_cancelled: Callable[[], bool]) -> Collected:
        """The files of a list that an application gave; see `collecting.named_files`."""
        return named_files(paths, system, is_cancelled)

    def check_paths(self, request: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        """Look at the paths of a submission; posts PathsChecked."""
        settings = self._place.settings
        first = (*outputs, *inputs, "")[0]
        self._questions.add(
            Call(
                self._lane(first),
                f"looking at the job's paths such as {first}",
                CHECK_LIMIT_S,
                lambda _: self._post(check_submission(request, inputs, outputs, settings.roots, settings.name)),
                lambda why: self._post(PathsChecked(request, why)),
            )
        )

    def preview(self, order: PreviewOrder) -> None:
        """Make a small picture of a frame that lies here; posts Previewed."""
        self._pictures.add(
            Call(
                "previews",
                "making a small picture of a frame",
                PREVIEW_LIMIT_S + 5,
                lambda _: self._post(self._previews.make(order)),
                lambda why: self._post(Previewed(order.request, reason=why)),
            )
        )

    def _lane(self, path: str) -> str:
        """The root that a path lies below, as it is written: a storage that hangs is most often one of them."""
        roots = self._place.settings.roots
        return next((root for root in roots if Path(path).is_relative_to(root)), path)

    # Attempts

    def start(self, slot: int, task: RenderTask, capability: Capability) -> None:
        """Run an attempt in a slot, after what runs there now; posts AttemptStarted, progress, and how it ended."""
        app = self._apps.get(task.app)
        if app is None or self._place.is_closing:
            reason = FailReason.INTERNAL if app else FailReason.APP_NOT_FOUND
            message = "this node is ending" if app else f"this version of peerfarm has no app {task.app}"
            self._post(AttemptFailed(task.attempt, reason, message))
            return
        work = self._place.work_directory(f"slot-{slot}")
        attempt = Attempt(self._place, work, app, task, capability)
        with self._lock:
            self._running[task.attempt] = attempt
        if slot not in self._slots:
            self._slots[slot] = Errands(f"slot-{slot}")
            self._slots[slot].add(lambda: make_empty(work))  # every attempt leaves it empty again
        self._slots[slot].add(lambda: self._run(task.attempt, attempt))

    def _run(self, label: str, attempt: Attempt) -> None:
        ending = attempt.run()
        with self._lock:
            self._running.pop(label, None)
        self._post(ending)

    def stop(self, attempt: str) -> None:
        """End an attempt, running or waiting; posts AttemptStopped. Nothing happens when it has ended already."""
        with self._lock:
            running = self._running.get(attempt)
        if running is not None:
            running.stop()

    def read_log(self, attempt: str, offset: int, limit: int) -> LogPart | None:
        """A piece of an attempt's log, quick enough for the loop; None when there is no such log here.

        Args:
            offset: In bytes; less than zero counts from the end.
            limit: At most so many bytes.
        """
        if not is_label(attempt):
            return None
        with self._lock:
            is_running = attempt in self._running
        part = read_part(self._place.attempts / attempt / LOG_NAME, offset, limit, is_running=is_running)
        return part or self._place.quiet_logs.read(attempt, offset, limit)

    # Files

    def publish(self, order: PublishOrder) -> None:
        """Bring an attempt's frames under their final names; posts PublishResult."""
        stopped = threading.Event()
        with self._lock:
            self._publishing[order.attempt] = stopped
        self._files.add(
            Call(
                self._lane(order.output_dir),
                f"publishing frames in {order.output_dir}",
                PUBLISH_LIMIT_S,
                lambda moved: self._published(self._publish(order, stopped, moved), stopped),
                lambda why: self._published(
                    PublishResult(order.attempt, order.job, order.step, order.task, why), stopped
                ),
            )
        )

    def _published(self, result: PublishResult, stopped: threading.Event) -> None:
        with self._lock:
            if self._publishing.get(result.attempt) is stopped:
                del self._publishing[result.attempt]
        self._post(result)

    def stop_publish(self, attempt: str) -> None:
        """Fetch no more frames of that attempt into a folder; posts the PublishResult, perhaps of what was done."""
        with self._lock:
            stopped = self._publishing.get(attempt)
        if stopped is not None:
            stopped.set()

    def _publish(self, order: PublishOrder, stopped: threading.Event, moved: Callable[[], None]) -> PublishResult:
        files, settings = self._place.files, self._place.settings
        if order.files is FilesMode.PEERS and files is not None:
            return deliver(order, files, lambda: self._place.is_closing or stopped.is_set(), moved)
        order = replace(order, output_dir=path_here(order.output_dir, paths_here(settings)))
        return publish(order, settings.roots, settings.name, moved)

    def clean_leftovers(self) -> int:
        """End what a node that died left running; see `leftovers`. Call it before anything is started."""
        return leftovers.clean_leftovers(self._place)

    def forget(self, attempts: Iterable[str]) -> None:
        """Remove the logs and own frames of some attempts."""
        gone = tuple(attempts)
        self._clean("removing forgotten attempts", lambda _: leftovers.forget(self._place, gone))

    def forget_jobs(self, jobs: Iterable[str]) -> None:
        """Remove this node's own frames of jobs that were archived or deleted."""
        with self._lock:
            self._forgotten.update(jobs)
        self._clean("removing attempts' frames of forgotten jobs", self._forget_jobs)

    def _forget_jobs(self, moved: Callable[[], None]) -> None:
        with self._lock:
            gone, self._forgotten = self._forgotten, set()
        if gone:
            leftovers.forget_jobs(self._place, gone, moved)

    def tidy(self) -> None:
        """Remove logs older than the settings say, and begin new files of starts and quiet logs where they are large.

        Costs the caller nothing; call it at the start and once a day, also while attempts run.
        """
        self._clean("tidying up this node's attempts", self._tidy)

    def _tidy(self, moved: Callable[[], None]) -> None:
        self._place.starts.rotate()
        self._place.quiet_logs.rotate()
        leftovers.prune(self._place, self._place.settings.keep_logs_days, self._labels())
        self._forget_jobs(moved)  # what could not be removed when it was asked for

    def _clean(self, what: str, run: Callable[[Callable[[], None]], None]) -> None:
        self._files.add(Call(_CLEANING, what, CLEAN_LIMIT_S, run, _logger.warning))

    def _labels(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._running)

    def close(self, limit_s: float) -> None:
        """Stop all renders and end the threads; what is left after `limit_s` seconds is abandoned."""
        if self._place.is_closing:
            return
        give_up_s = time.monotonic() + limit_s
        self._place.is_closing = True
        with self._lock:
            running = tuple(self._running.values())
        for attempt in running:
            attempt.stop(limit_s / 2)
        threads: list[Errands | FilePool] = [*self._slots.values(), self._files, self._questions, self._pictures]
        for thread in threads:
            thread.close()
        late = [thread for thread in threads if not thread.join(give_up_s - time.monotonic())]
        if not late:
            self._place.starts.close()
            self._place.quiet_logs.close()
