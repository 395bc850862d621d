"""What tests of travelling files share: nodes that do nothing but hold files and pass them on, over real links."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from pathlib import Path

from peerfarm.config import Settings
from peerfarm.daemon.nodefiles import NodeFiles
from peerfarm.daemon.outputs import Outputs
from peerfarm.daemon.transfers import Transfers
from peerfarm.mesh import KeyPair, new_keys
from peerfarm.model.blob import BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import NodeId, node_id_of
from peerfarm.model.render import FrameFile
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, Packed, pack

LIMIT_S = 20.0
GIGABYTE = 1_000_000_000
FREELY = Settings(upload_busy_mb_s=0.0)
Told = queue.SimpleQueue[FetchProgressed | FetchEnded]


class Place:
    """One node's store and transfers."""

    def __init__(
        self,
        home: Path,
        keys: KeyPair | None = None,
        settings: Settings = FREELY,
        quota_bytes: int = GIGABYTE,
        patience_s: float = 30.0,
    ) -> None:
        self.home = home
        self.keys = keys or new_keys()
        self.id: NodeId = node_id_of(self.keys.public)
        self.alarms: list[str] = []
        self.store = BlobStore(home / "blobs", quota_bytes)
        self.transfers = Transfers(self.keys, self.store, settings, self.alarms.append, patience_s)
        self.outputs = Outputs(home / "outputs.jsonl")
        self.files = NodeFiles(self.store, self.transfers, self.outputs)
        self.host, self.port = "127.0.0.1", 0

    def begin(self, order: FetchOrder) -> Told:
        """Fetch; what is told of it."""
        told: Told = queue.SimpleQueue()
        self.transfers.fetch(order, told.put)
        return told

    def fetch(self, order: FetchOrder) -> FetchEnded:
        """Fetch, and wait for the end; progress is not looked at."""
        return ending(self.begin(order))

    def put(self, data: bytes, name: str = "f_0001.exr") -> FrameFile:
        """A frame in this place's store."""
        ref, _ = self.store.put_bytes(data)
        return FrameFile(name, ref.size_bytes, ref.id)

    def put_file(self, size_bytes: int, name: str = "big.bin") -> tuple[BlobRef, bytes]:
        """A file of random bytes in this place's store."""
        data = os.urandom(size_bytes)
        path = self.home / name
        path.write_bytes(data)
        ref, _ = self.store.take_in(path, keep=False)
        return ref, data

    def pack(self, files: dict[str, bytes], base: Path, pin: str = "") -> Packed:
        """Files of a scene below `base`, written there and packed."""
        listed = []
        for name, data in files.items():
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            listed.append(FileToPack(path, name))
        cache = HashCache(self.home / "hashes.db")
        packed = pack(listed, str(base), "linux", self.store, cache, pin=pin)
        cache.close()
        return packed

    def content(self, ref: BlobRef) -> bytes:
        """What the store has on its disk under that name."""
        path = self.store.open_blob(ref, verify=True)
        assert path is not None
        return path.read_bytes()

    def spoil(self, ref: BlobRef) -> None:
        """A failing disk: some bytes of a blob are others now."""
        path = self.store.open_blob(ref)
        assert path is not None
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.write(b"spoilt by a failing disk")

    def close(self) -> None:
        self.transfers.close()
        self.store.close()


class Farm:
    """Some places that know one another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.places: list[Place] = []

    def add(self, count: int, settings: Settings = FREELY, host: str = "127.0.0.1", **more: float) -> list[Place]:
        """Further places, linked to all."""
        quota_bytes, patience_s = int(more.get("quota_bytes", GIGABYTE)), more.get("patience_s", 30.0)
        added = []
        for number in range(len(self.places), len(self.places) + count):
            place = Place(self.directory / f"node-{number}", None, settings, quota_bytes, patience_s)
            place.host = host
            added.append(place)
        self.places += added
        for place in added:
            place.port = place.transfers.open(host, 0)
        self.meet()
        return added

    def meet(self) -> None:
        """Everybody knows everybody, and where they listen."""
        for place in self.places:
            others = [other for other in self.places if other is not place]
            place.transfers.allow({other.id: other.keys.public for other in others})
            place.transfers.reach({other.id: (f"127.0.0.1:{other.port}",) for other in others if other.port})

    def revive(self, place: Place) -> Place:
        """The same node after a crash: its thread ended without a word, its store is opened anew."""
        place.close()
        new = Place(place.home, place.keys)
        self.places[self.places.index(place)] = new
        new.port = new.transfers.open("127.0.0.1", 0)
        self.meet()
        return new

    def close(self) -> None:
        for place in self.places:
            place.close()


def ending(told: Told) -> FetchEnded:
    """How a fetch ended."""
    while not isinstance(said := told.get(timeout=LIMIT_S), FetchEnded):
        pass
    return said


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another thread brings about."""
    give_up_s = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < give_up_s, "it did not come about in time"
        time.sleep(0.01)  # there is nothing to wait on: it is looked at from outside
