"""Packs what a submission needs: asks the applications, merges their lists, and puts the files into the store."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from peerfarm.daemon.outputs import Outputs
from peerfarm.errors import PeerfarmError, RequestRefused
from peerfarm.model.collected import Collected
from peerfarm.model.files import Packed, PackOrder, PackProgressed
from peerfarm.model.mergedfiles import merged
from peerfarm.runner import ProcessRunner
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack, this_system

TOLD_EVERY_S = 0.25
SHOWN = 10
THREADS = 2
"""Submissions that are packed at once; others wait."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    order: PackOrder
    is_cancelled: threading.Event = field(default_factory=threading.Event)
    told_s: float = 0.0
    begun_s: float = 0.0


class Packing:
    """Carries pack orders out, a few at once.

    Args:
        tell: Called from any thread with PackProgressed and Packed.
    """

    def __init__(
        self,
        store: BlobStore,
        cache: HashCache,
        runner: ProcessRunner,
        outputs: Outputs,
        tell: Callable[[PackProgressed | Packed], None],
    ) -> None:
        self._store = store
        self._cache = cache
        self._runner = runner
        self._outputs = outputs
        self._tell = tell
        self._pool = ThreadPoolExecutor(THREADS, "peerfarm-pack")
        self._runs: dict[str, _Run] = {}

    def begin(self, order: PackOrder) -> None:
        """Pack; ends with a Packed of this request, unless it is stopped before."""
        run = _Run(order)
        self._runs[order.request] = run
        self._pool.submit(self._work, run)

    def stop(self, request: str) -> None:
        """Nobody waits for it any more."""
        run = self._runs.get(request)
        if run is not None:
            run.is_cancelled.set()

    def close(self) -> None:
        """Stop everything; does not wait for an application that is being asked."""
        for run in list(self._runs.values()):
            run.is_cancelled.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, run: _Run) -> None:
        request = run.order.request
        try:
            packed = self._pack(run)
        except PeerfarmError as error:
            packed = Packed(request, None, error=str(error), hint=error.hint)
        except Exception as error:  # a bug here must become an answer, or the user would wait in vain
            _logger.exception("packing failed")
            packed = Packed(request, None, error=f"packing the job's files failed: {type(error).__name__}: {error}")
        self._runs.pop(request, None)
        self._tell(packed)

    def _pack(self, run: _Run) -> Packed:
        order = run.order
        _check_outputs(order)
        self._outputs.name(order.job, [directory for directory, _ in order.outputs])
        found = self._collect(run)
        if found is None:
            return Packed(order.request, None)
        warnings = list(found.warnings)
        if found.missing:
            told = [f"{missing.path} ({missing.why})" for missing in found.missing]
            text = _listed("the scene needs files that are not there", told)
            if not order.may_miss_files:
                raise RequestRefused(text, "Correct the paths, or submit with --allow-missing to render without them.")
            warnings.append(text)
        gone = {missing.path for missing in found.missing}
        files = [FileToPack(Path(p.path), p.place, p.origin) for p in found.places() if p.path not in gone]
        run.begun_s = time.monotonic()
        result = pack(
            files,
            found.base,
            found.system,
            self._store,
            self._cache,
            lambda *counts: self._progressed(run, *counts),
            run.is_cancelled.is_set,
            f"scene/{order.job}",
        )
        return Packed(
            order.request,
            result.root,
            (*warnings, *result.warnings[:SHOWN]),
            files=len(result.manifest.files),
            size_bytes=result.manifest.size_bytes,
        )

    def _collect(self, run: _Run) -> Collected | None:
        """What all steps need; a scene that several steps render is looked into once."""
        system = this_system()
        found: dict[tuple[str, str], Collected] = {}
        for number, step in enumerate(run.order.steps):
            key = (step.app, str(step.params.get("scene", number)))
            if key in found:
                continue
            self._tell(PackProgressed(run.order.request, f"looking into {Path(key[1]).name or step.app}"))
            name = f"collect-{run.order.job}-{number}"
            collected = self._runner.collect(step, system, name, run.is_cancelled.is_set)
            if collected is not None:
                found[key] = collected
        return merged(tuple(found.values())) if found else None

    def _progressed(self, run: _Run, done: int, total: int, files: int, all_files: int) -> None:
        now_s = time.monotonic()
        if now_s - run.told_s < TOLD_EVERY_S and files != all_files:
            return
        run.told_s = now_s
        rate = done / (now_s - run.begun_s) if now_s > run.begun_s else 0.0
        self._tell(PackProgressed(run.order.request, "hashing", done, total, files, all_files, rate))


def _check_outputs(order: PackOrder) -> None:
    """Refuse to write over frames that stand in the output folder already."""
    existing: list[str] = []
    for directory, names in order.outputs:
        place = Path(directory)
        if place.exists() and not place.is_dir():
            raise RequestRefused(f"the output directory {directory} is a file", "Choose another.")
        upper = place
        while not upper.exists():
            upper = upper.parent
        if not os.access(upper, os.W_OK | os.X_OK):
            raise RequestRefused(f"this account may not write in {upper}", "Choose another output directory.")
        if place.is_dir() and not order.is_overwriting:
            there = {entry.name for entry in os.scandir(place)}
            existing += [str(place / name) for name in names if name in there]
    if existing:
        raise RequestRefused(
            _listed("frames of that name exist already", existing),
            "Choose another output directory, or submit with --overwrite to replace them.",
        )


def _listed(claim: str, things: list[str]) -> str:
    more = f", and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return f"{claim}: {', '.join(things[:SHOWN])}{more}"
