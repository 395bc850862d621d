"""Packs what a submission needs: asks the applications, merges their lists, and puts the files into the store."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from peerfarm.daemon.outputs import Outputs
from peerfarm.daemon.ticker import Ticker
from peerfarm.errors import PeerfarmError, RequestRefused
from peerfarm.model.collected import Collected, MissingFile
from peerfarm.model.filenames import collision_key
from peerfarm.model.files import Packed, PackOrder, PackProgressed
from peerfarm.model.mergedfiles import merged
from peerfarm.model.pathmap import FOLDING_SYSTEMS
from peerfarm.runner import ProcessRunner
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack, this_system
from peerfarm.store.blobs.reading import oddity

TOLD_EVERY_S = 0.25
ALIVE_EVERY_S = 10.0
"""How often each submission says what it waits for or is at: the node gives up what says nothing."""
SHOWN = 10
MAX_WARNINGS = 50
THREADS = 2
"""Submissions that are packed at once; others wait."""
_CANCELLED = "the submission was cancelled"

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Run:
    order: PackOrder
    is_cancelled: threading.Event = field(default_factory=threading.Event)
    words: str = ""
    """What is being done; empty while it waits for its turn."""
    since_s: float = 0.0
    """When that began."""
    told_s: float = 0.0
    known_bytes: int = 0
    """Of files that have not changed since they were hashed, and are not read again."""
    hashed: PackProgressed | None = None
    """How far the hashing is, once it has begun."""

    def does(self, words: str) -> None:
        """The next piece of the work begins."""
        self.words, self.since_s = words, time.monotonic()

    def knows(self, size_bytes: int) -> None:
        """So much more need not be read."""
        self.known_bytes += size_bytes

    def told(self, ahead: int) -> PackProgressed:
        """What it waits for or is at, now; `ahead` submissions came before it and have not ended."""
        if self.hashed is not None:
            return self.hashed
        if self.words:
            words = f"{self.words}, {time.monotonic() - self.since_s:.0f} s"
        else:
            words = f"waiting for {ahead} other submission{'' if ahead == 1 else 's'}"
        return PackProgressed(self.order.request, words)


class Packing:
    """Carries pack orders out, a few at once.

    Its threads keep no program alive: the storage that they read may hang.

    Args:
        tell: Called from any thread with PackProgressed and Packed.
        alive_every_s: How often each submission is heard of, whatever it waits for.
    """

    def __init__(
        self,
        store: BlobStore,
        cache: HashCache,
        runner: ProcessRunner,
        outputs: Outputs,
        tell: Callable[[PackProgressed | Packed], None],
        alive_every_s: float = ALIVE_EVERY_S,
    ) -> None:
        self._store = store
        self._cache = cache
        self._runner = runner
        self._outputs = outputs
        self._tell = tell
        self._queue: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._runs: dict[str, _Run] = {}
        """In the order in which they came."""
        self._ticker = Ticker(alive_every_s, self._tell_all, "peerfarm-packing")

    # From the loop's thread

    def begin(self, order: PackOrder) -> None:
        """Pack; ends with a Packed of this request, also when it was stopped."""
        run = self._runs[order.request] = _Run(order)
        if len(self._runs) > THREADS:
            self._tell(run.told(len(self._runs) - 1))
        self._ticker.start()
        if len(self._threads) < THREADS:
            thread = threading.Thread(target=self._work, name="peerfarm-pack", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._queue.put(run)

    def stop(self, request: str) -> None:
        """Nobody waits for it any more."""
        run = self._runs.get(request)
        if run is not None:
            run.is_cancelled.set()

    def close(self) -> None:
        """Stop everything; does not wait."""
        self._ticker.close()
        for run in list(self._runs.values()):
            run.is_cancelled.set()
        for _ in self._threads:
            self._queue.put(None)

    # In the threads

    def _tell_all(self) -> bool:
        """Let every submission be heard of; False when there is none."""
        runs = list(self._runs.values())
        for ahead, run in enumerate(runs):
            if not run.is_cancelled.is_set():
                self._tell(run.told(ahead))
        return bool(runs)

    def _work(self) -> None:
        while (run := self._queue.get()) is not None:
            request = run.order.request
            try:
                packed = self._packed(run)
            except PeerfarmError as error:
                packed = Packed(request, None, error=str(error), hint=error.hint)
            except Exception as error:  # a bug here must become an answer, or the user would wait in vain
                _logger.exception("packing failed")
                words = f"packing the job's files failed: {type(error).__name__}: {error}"
                packed = Packed(request, None, error=words)
            self._runs.pop(request, None)
            self._tell(packed)

    def _packed(self, run: _Run) -> Packed:
        order = run.order
        if run.is_cancelled.is_set():
            raise RequestRefused(_CANCELLED)
        run.does("looking at the output directory")
        check_outputs(order)
        found = self._collect(run)
        packed = Packed(order.request, None)
        if found:
            needed = {missing for one, may_miss_files in found if not may_miss_files for missing in one.missing}
            whole = merged(tuple(one for one, _ in found))
            packed = self._pack(run, whole, [*whole.warnings, *_missing(whole.missing, needed)])
        if run.is_cancelled.is_set():
            raise RequestRefused(_CANCELLED)
        self._outputs.name(order.job, [directory for directory, _ in order.outputs])
        for directory, _ in order.outputs:
            _make_output(directory)
        return packed

    def _pack(self, run: _Run, found: Collected, warnings: list[str]) -> Packed:
        order = run.order
        gone = {missing.path for missing in found.missing}
        files = [FileToPack(Path(p.path), p.place, p.origin, p.within) for p in found.places() if p.path not in gone]
        if not files:
            return Packed(order.request, None, _bounded(warnings))
        run.does("hashing")
        run.told_s = 0.0
        result = pack(
            files,
            found.base,
            found.system,
            self._store,
            self._cache,
            lambda *counts: self._progressed(run, *counts),
            run.is_cancelled.is_set,
            f"scene/{order.job}",
            run.knows,
        )
        manifest = result.manifest
        warnings += [f"Windows cannot render this job: {fault}" for fault in result.warnings]
        return Packed(
            order.request, result.root, _bounded(warnings), files=len(manifest.files), size_bytes=manifest.size_bytes
        )

    def _collect(self, run: _Run) -> list[tuple[Collected, bool]]:
        """What the steps need, and whether of it may be missing; a scene that several render is looked into once."""
        system = this_system()
        found: dict[tuple[str, str, bool], Collected] = {}
        for number, step in enumerate(run.order.steps):
            may_miss = run.order.may_miss_files or step.params.get("allow_missing") is True
            key = (step.app, str(step.params.get("scene", number)), may_miss)
            if key in found:
                continue
            run.does(f"looking into {Path(key[1]).name}" if "scene" in step.params else f"looking at {step.app}")
            self._tell(PackProgressed(run.order.request, run.words))
            name = f"collect-{run.order.job}-{number}"
            collected = self._runner.collect(step, system, name, run.is_cancelled.is_set)
            if collected is not None:
                found[key] = collected
        listed = [(one, may_miss) for (_, _, may_miss), one in found.items()]
        if run.order.files:
            run.does("looking at the files that the application named")
            named = self._runner.named(run.order.files, system, run.is_cancelled.is_set)
            listed.append((named, run.order.may_miss_files))
        return listed

    def _progressed(self, run: _Run, done: int, total: int, files: int, all_files: int) -> None:
        now_s = time.monotonic()
        read = max(0, done - run.known_bytes)
        rate = read / (now_s - run.since_s) if now_s > run.since_s else 0.0
        run.hashed = PackProgressed(run.order.request, run.words, done, total, files, all_files, rate)
        if now_s - run.told_s < TOLD_EVERY_S and files != all_files:
            return
        run.told_s = now_s
        self._tell(run.hashed)


def _missing(missing: Sequence[MissingFile], needed: AbstractSet[MissingFile]) -> list[str]:
    """A warning of what is missing.

    Raises:
        RequestRefused: Some of it is needed.
    """
    if not missing:
        return []
    told = [_told(one) for one in missing if one in needed or not needed]
    text = _listed("the scene needs files that are not there", len(told), told)
    if needed:
        raise RequestRefused(
            text,
            "Correct the paths; or say `files: shared` if all machines see them; or submit with --allow-missing to "
            "render without them.",
        )
    return [text]


def _told(missing: MissingFile) -> str:
    odd = oddity(Path(missing.path))
    return f"{missing.path} ({missing.why}{f'; it is {odd}' if odd else ''})"


def check_outputs(order: PackOrder) -> None:
    """Refuse to write over frames that stand in the output folder already, or into one that cannot be written.

    Raises:
        RequestRefused: The first ten frames that are there, or what hinders.
    """
    existing: list[str] = []
    for directory, names in order.outputs:
        if not Path(directory).is_absolute():
            raise RequestRefused(f"the output directory {directory} is none of this system", "Choose another.")
        try:
            existing += _existing(Path(directory), () if order.is_overwriting else names)
        except OSError as error:
            raise RequestRefused(
                f"the output directory {directory} cannot be looked at: {error.strerror or error}", "Choose another."
            ) from error
    if existing:
        raise RequestRefused(
            _listed("frames of that name exist already", len(existing), existing),
            "Choose another output directory, or submit with --overwrite to replace them.",
        )


def _existing(place: Path, names: tuple[str, ...]) -> Iterator[str]:
    """Which of these names stand in a directory that may be written. Raises OSError and RequestRefused."""
    upper = place
    while not os.path.lexists(upper) and upper != upper.parent:
        upper = upper.parent
    if not upper.is_dir():
        raise RequestRefused(f"the output directory {place} cannot be made: {upper} is no directory", "Choose another.")
    if not os.access(upper, os.W_OK | os.X_OK):
        raise RequestRefused(f"this account may not write in {upper}", "Choose another output directory.")
    if upper != place or not names:
        return iter(())
    key = collision_key if this_system() in FOLDING_SYSTEMS else str
    with os.scandir(place) as entries:
        there = {key(entry.name) for entry in entries}
    return (str(place / name) for name in names if key(name) in there)


def _make_output(directory: str) -> None:
    """Make the folder now: where it is gone later, a disk is not mounted."""
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestRefused(
            f"the output directory {directory} cannot be made: {error.strerror or error}", "Choose another."
        ) from error


def _bounded(warnings: list[str]) -> tuple[str, ...]:
    more = len(warnings) - MAX_WARNINGS
    return (*warnings[:MAX_WARNINGS], f"and {more} warnings more") if more > 0 else tuple(warnings)


def _listed(claim: str, number: int, things: Iterator[str] | list[str]) -> str:
    shown = [thing for thing, _ in zip(things, range(SHOWN), strict=False)]
    more = f", and {number - SHOWN} more" if number > SHOWN else ""
    return f"{claim}: {', '.join(shown)}{more}"
