"""Everything of a node that has to do with files which travel: the store, the transfers, packing, delivering."""

from __future__ import annotations

import math
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
from peerfarm.model.ids import NodeId
from peerfarm.node.effects import Effects
from peerfarm.runner import ProcessRunner
from peerfarm.store.blobs import DOUBT_PIN, BlobStore, HashCache

GIGABYTE = 1_000_000_000
TOLD_EVERY_S = 10.0
QUIET_S = 600.0
"""No job has needed files for so long, as far as anybody says: then nothing that was kept in doubt is needed."""


@dataclass(frozen=True, slots=True)
class FilesAlarm:
    """Something of the files went wrong that `status` should show."""

    text: str


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
        self._transfers = Transfers(keys, self._store, settings, self._alarm)
        self.files = NodeFiles(self._store, self._transfers, self._outputs)
        self._packing: Packing | None = None
        self._places: dict[NodeId, tuple[str, ...]] = {}
        self._told = (-1, -1)
        self._next_told_s = 0.0
        self._busy_s = math.inf
        """When a job's files were last seen to travel, or may have been; infinite before the first look."""

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

    def tick(self, now_s: float, *, is_quiet: bool) -> None:
        """Tell now and then how full the store is, keep its quota, and settle doubts about what it must keep.

        Args:
            is_quiet: See `Node.is_quiet_about_files`.
        """
        if not is_quiet or self._busy_s > now_s:
            self._busy_s = now_s
        if now_s < self._next_told_s:
            return
        if now_s - self._busy_s >= QUIET_S and DOUBT_PIN in self.pins:
            self._transfers.release([DOUBT_PIN])
        self._next_told_s = now_s + TOLD_EVERY_S
        usage = self._store.usage()
        if usage.bytes > max(usage.quota_bytes, usage.pinned_bytes):
            self._transfers.keep_quota()
        if (usage.bytes, usage.pinned_bytes) != self._told:
            self._told = usage.bytes, usage.pinned_bytes
            self._tell(StoreTold(usage.bytes, usage.pinned_bytes, usage.quota_bytes))

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
