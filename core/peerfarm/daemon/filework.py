"""Everything of a node that has to do with files which travel: the store, the transfers, packing, delivering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerfarm.config import Settings
from peerfarm.daemon.nodefiles import NodeFiles
from peerfarm.daemon.outputs import Outputs
from peerfarm.daemon.packing import Packing
from peerfarm.daemon.transfers import Transfers
from peerfarm.errors import PeerfarmError
from peerfarm.mesh import KeyPair
from peerfarm.model.files import StoreTold
from peerfarm.model.ids import JobId, NodeId
from peerfarm.node.effects import Effects
from peerfarm.runner import ProcessRunner
from peerfarm.store.blobs import DOUBT_PIN, BlobStore, HashCache

GIGABYTE = 1_000_000_000
TOLD_EVERY_S = 10.0
DOUBT_S = 600.0
"""What was kept in doubt may be of any job that is heard of so soon after the start; later ones pin what they need. And
once all those are over for so long, it is of none."""


@dataclass(frozen=True, slots=True)
class FilesAlarm:
    """Something of the files went wrong that `status` should show."""

    text: str
    is_over: bool = False
    """The cause of the alarms that begin so is gone."""


@dataclass(frozen=True, slots=True)
class FilesStranger:
    """Somebody knocked at the port for files and was not let in."""

    key: str
    """Its key where that is known, else its address."""
    reason: str


class FileWork:
    """The loop's side of it; every call comes from the loop's thread.

    Args:
        tell: Takes what the node is to hear, from any thread.

    Raises:
        StoreError: The node's folder cannot be read or written.
    """

    def __init__(self, data: Path, keys: KeyPair, settings: Settings, tell: Callable[[Any], None]) -> None:
        self._tell = tell
        self._store = BlobStore(data / "blobs", settings.store_gb * GIGABYTE)
        self._cache = HashCache(data / "hashes.db")
        self._outputs = Outputs(data / "outputs.jsonl")
        self._transfers = Transfers(
            keys,
            self._store,
            settings,
            self._alarm,
            tell_calm=lambda beginning: tell(FilesAlarm(beginning, is_over=True)),
            tell_stranger=lambda *told: tell(FilesStranger(*told)),
        )
        self.files = NodeFiles(self._store, self._transfers, self._outputs)
        self._packing: Packing | None = None
        self._places: dict[NodeId, tuple[str, ...]] = {}
        self._told = (-1, -1)
        self._next_told_s = 0.0
        self._first_s: float | None = None
        """When all jobs were first known; None before that."""
        self._doubted: frozenset[JobId] = frozenset()
        """Jobs that may need what was kept in doubt."""
        self._needed_s = 0.0
        """When there was one, or may have been."""

    def use(self, runner: ProcessRunner) -> None:
        """Ask applications through this runner; before anything else."""
        self._packing = Packing(self._store, self._cache, runner, self._outputs, self._tell)

    @property
    def pins(self) -> tuple[str, ...]:
        """The keys that keep blobs from eviction."""
        return self._store.pin_keys()

    @property
    def traffic(self) -> dict[str, int]:
        """Bytes of files, and of what is said about them, since the start and before encryption; for `status`."""
        counted = self._transfers.traffic
        return {"file_bytes_in": counted.bytes_in, "file_bytes_out": counted.bytes_out}

    def open(self, host: str, port: int) -> int:
        """Serve peers, and return the port; see Transfers."""
        return self._transfers.open(host, port)

    def allow(self, members: Mapping[NodeId, str]) -> None:
        """Replace the list of who may fetch and be fetched from."""
        self._transfers.allow(members)

    def reach(self, places: dict[NodeId, tuple[str, ...]]) -> None:
        """Keep links to these members; cheap when nothing changed."""
        if places != self._places:
            self._places = places
            self._transfers.reach(places)

    def tick(self, now_s: float, jobs: Callable[[], frozenset[JobId] | None]) -> None:
        """Tell now and then how full the store is, keep its quota, and settle doubts about what it must keep.

        Args:
            jobs: See `Node.jobs_with_files`.
        """
        if now_s < self._next_told_s:
            return
        if DOUBT_PIN in self.pins:
            self._settle_doubt(now_s, jobs())
        if self._transfers.has_unreleased:
            self._transfers.release(())
        self._next_told_s = now_s + TOLD_EVERY_S
        usage = self._store.usage()
        if usage.bytes > max(usage.quota_bytes, usage.pinned_bytes):
            self._transfers.keep_quota()
        if (usage.bytes, usage.pinned_bytes) != self._told:
            self._told = usage.bytes, usage.pinned_bytes
            self._tell(StoreTold(usage.bytes, usage.pinned_bytes, usage.quota_bytes))

    def _settle_doubt(self, now_s: float, jobs: frozenset[JobId] | None) -> None:
        """Keep what may be of a job from before the doubt, however many jobs came since."""
        if jobs is None:  # there may be any
            self._needed_s = now_s
            return
        if self._first_s is None:
            self._first_s = self._needed_s = now_s
        is_early = now_s - self._first_s < DOUBT_S
        self._doubted = self._doubted | jobs if is_early else self._doubted & jobs
        if self._doubted & jobs:
            self._needed_s = now_s
        elif now_s - self._needed_s >= DOUBT_S:
            self._transfers.release([DOUBT_PIN])

    def carry_out(self, effects: Effects) -> None:
        """What a turn wants of files; problems of pins are told as alarms."""
        for key in effects.fetch_stops:
            self._transfers.stop_fetch(key)
        for order in effects.fetches:
            self._transfers.fetch(order, self._tell)
        assert self._packing is not None
        for request in effects.pack_stops:
            self._packing.stop(request)
        for pack_order in effects.packs:
            self._packing.begin(pack_order)
        for publish_order in effects.publishes:
            self.files.expect(publish_order, self._tell)
        for attempt in effects.publish_stops:
            self.files.expect_no_more(attempt)
        if effects.released:
            self._transfers.release(effects.released)
        if effects.forgotten:
            try:
                self._outputs.forget(effects.forgotten)
            except PeerfarmError as error:
                self._alarm(str(error))

    def close(self) -> None:
        """Stop serving, fetching and packing."""
        if self._packing is not None:
            self._packing.close()
        self._transfers.close()
        self._cache.close()
        self._store.close()

    def _alarm(self, text: str) -> None:
        self._tell(FilesAlarm(text))
