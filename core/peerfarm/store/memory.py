"""The store's twin in memory, on a disk that can be full, lie about fsync, crash and be put back from an old image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from peerfarm.errors import DiskFull, StoreError
from peerfarm.store.log import Cut, Doubt, Row, check_rows, conflict


@dataclass(slots=True)
class MemoryImage:
    """What a disk holds; opaque to everybody but this module."""

    logs: dict[tuple[str, str], dict[int, bytes]] = field(default_factory=dict)
    snapshot: tuple[bytes, tuple[bytes, ...]] | None = None
    facts: dict[str, bytes] = field(default_factory=dict)
    is_clean: bool = False
    is_new: bool = True

    def copy(self) -> MemoryImage:
        """An image that later writes to this one do not change."""
        logs = {name: dict(rows) for name, rows in self.logs.items()}
        return MemoryImage(logs, self.snapshot, dict(self.facts), self.is_clean, self.is_new)


class MemoryDisk:
    """A disk for `MemoryLog`s, one at a time; it outlives them as a real disk outlives a process.

    Attributes:
        full: Every write is refused with DiskFull and changes nothing.
        ignores_sync: Writes return before they are durable, until `settle`: what leaving out the fsync does.
    """

    def __init__(self) -> None:
        self.full = False
        self.ignores_sync = False
        self._seen = MemoryImage()
        self._durable: MemoryImage | None = None
        self._life = 0

    def settle(self) -> None:
        """Make durable what was written while the disk ignored syncs."""
        self._durable = None

    def lose_unsynced(self) -> None:
        """Forget what is not durable, as a power cut does."""
        if self._durable is not None:
            self._seen, self._durable = self._durable, None

    def crash(self) -> None:
        """Cut the power: what is not durable is lost, and the log that was open can no longer be used."""
        self.lose_unsynced()
        self._life += 1

    def image(self) -> MemoryImage:
        """A copy of what is durable now, to be put back later."""
        return (self._durable or self._seen).copy()

    def restore(self, image: MemoryImage) -> None:
        """Put an old image back in place of everything; the log that was open can no longer be used."""
        self._seen, self._durable = image.copy(), None
        self._life += 1

    def mount(self) -> tuple[int, Doubt]:
        """Begin a new life of the log on this disk: its number, and the doubt that `open_store` would tell."""
        seen = self._seen
        doubt = Doubt.NEW if seen.is_new else Doubt.NONE if seen.is_clean else Doubt.UNCLEAN
        for image in (seen, self._durable):
            if image is not None:
                image.is_new = image.is_clean = False
        self._life += 1
        return self._life, doubt

    def contents(self, life: int) -> MemoryImage:
        """What can be read now; StoreError when that life is over."""
        if life != self._life:
            raise StoreError("this log is closed, or its disk crashed")
        return self._seen

    def contents_to_change(self, life: int) -> MemoryImage:
        """The same for a write, which must not fail half-way; DiskFull when there is no room."""
        seen = self.contents(life)
        if self.full:
            raise DiskFull("no room on the disk", hint="Make room on it; this node takes no new work until then.")
        if self.ignores_sync and self._durable is None:
            self._durable = seen.copy()
        return seen

    def unmount(self, life: int) -> None:
        """End a life in good order; nothing happens when it is over already."""
        if life == self._life:
            self.settle()
            self._seen.is_clean = not self.full
            self._life += 1


class MemoryLog:
    """LogStore in memory; see `log.LogStore` for what each method promises.

    Attributes:
        doubt: What `open_store` would have said of the disk.
    """

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self._life, self.doubt = disk.mount()

    def append(self, rows: Sequence[Row]) -> None:
        """Write all the rows or none; see LogStore."""
        if not rows:
            return
        check_rows(rows)
        seen = self._disk.contents(self._life)
        fresh: dict[tuple[str, str, int], bytes] = {}
        for node, log_id, seq, raw in rows:
            kept = fresh.get((node, log_id, seq))
            if kept is None:
                kept = seen.logs.get((node, log_id), {}).get(seq)
            if kept is None:
                fresh[node, log_id, seq] = raw
            elif kept != raw:
                raise conflict(node, log_id, seq)
        if not fresh:
            return
        logs = self._disk.contents_to_change(self._life).logs
        for (node, log_id, seq), raw in fresh.items():
            logs.setdefault((node, log_id), {})[seq] = raw

    def read(self, node: str, log_id: str, first: int, last: int, limit_bytes: int) -> list[bytes]:
        """The raw rows of a range, as many as fit; see LogStore."""
        log = self._disk.contents(self._life).logs.get((node, log_id), {})
        wanted = range(first, last + 1)
        if len(wanted) > len(log):
            seqs: Iterable[int] = sorted(seq for seq in log if seq in wanted)
        else:
            seqs = (seq for seq in wanted if seq in log)
        found: list[bytes] = []
        size_bytes = 0
        for seq in seqs:
            size_bytes += len(log[seq])
            if found and size_bytes > limit_bytes:
                break
            found.append(log[seq])
        return found

    def rows(self) -> Iterator[Row]:
        """Everything kept, in order; see LogStore."""
        logs = self._disk.contents(self._life).copy().logs
        for node, log_id in sorted(logs):
            for seq, raw in sorted(logs[node, log_id].items()):
                yield node, log_id, seq, raw

    def save_snapshot(
        self, parts: Iterable[bytes], meta: bytes, cut: Cut, keep: Callable[[bytes], bool] | None = None
    ) -> None:
        """Replace the snapshot and delete what it holds, in one write; see LogStore."""
        snapshot = (meta, tuple(parts))
        logs = self._disk.contents(self._life).logs
        left = {
            name: {seq: raw for seq, raw in logs[name].items() if seq > last or (keep is not None and keep(raw))}
            for name, last in cut.items()
            if name in logs
        }
        seen = self._disk.contents_to_change(self._life)
        seen.snapshot = snapshot
        seen.logs.update(left)

    def load_snapshot(self) -> tuple[bytes, Iterator[bytes]] | None:
        """The meta and the parts; see LogStore."""
        snapshot = self._disk.contents(self._life).snapshot
        return None if snapshot is None else (snapshot[0], iter(snapshot[1]))

    def get(self, key: str) -> bytes | None:
        """A small fact; see LogStore."""
        return self._disk.contents(self._life).facts.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keep a small fact; see LogStore."""
        self._disk.contents_to_change(self._life).facts[key] = value

    def size_bytes(self) -> int:
        """Bytes of all that is kept, without what a real disk adds."""
        seen = self._disk.contents(self._life)
        size_bytes = sum(len(raw) for log in seen.logs.values() for raw in log.values())
        size_bytes += sum(map(len, seen.facts.values()))
        if seen.snapshot is not None:
            size_bytes += len(seen.snapshot[0]) + sum(map(len, seen.snapshot[1]))
        return size_bytes

    def checkpoint(self) -> bool:
        """Nothing to tidy up in memory."""
        return True

    def look_after(self) -> str:
        """Nobody takes memory away."""
        return ""

    def close(self) -> None:
        """End in good order; a second call does nothing."""
        self._disk.unmount(self._life)


def open_memory_store(disk: MemoryDisk) -> tuple[MemoryLog, Doubt]:
    """The twin of `open_store`: the log on that disk, and the doubt."""
    log = MemoryLog(disk)
    return log, log.doubt
