"""Blobs travel between transfer threads over real links, from several peers at once, and every block is checked."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from peerfarm.config import Settings
from peerfarm.daemon.transfers import Transfers, upload_limit
from peerfarm.mesh import KeyPair, new_keys
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import NodeId, node_id_of
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack

LIMIT_S = 20.0
GIGABYTE = 1_000_000_000


class Place:
    """One node's store and transfers."""

    def __init__(self, home: Path, keys: KeyPair, settings: Settings | None = None) -> None:
        self.home = home
        self.keys = keys
        self.id: NodeId = node_id_of(keys.public)
        self.alarms: list[str] = []
        self.store = BlobStore(home / "blobs", GIGABYTE)
        chosen = settings or Settings(upload_busy_mb_s=0.0)
        self.transfers = Transfers(keys, self.store, chosen, self.alarms.append)
        self.port = 0

    def fetch(self, order: FetchOrder) -> FetchEnded:
        """Fetch, and wait for the end; progress is not looked at."""
        told: queue.SimpleQueue[FetchProgressed | FetchEnded] = queue.SimpleQueue()
        self.transfers.fetch(order, told.put)
        while not isinstance(said := told.get(timeout=LIMIT_S), FetchEnded):
            pass
        return said

    def close(self) -> None:
        self.transfers.close()
        self.store.close()


class Farm:
    """Some places that know one another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.places: list[Place] = []

    def add(self, count: int, settings: Settings | None = None) -> list[Place]:
        for _ in range(count):
            number = len(self.places)
            self.places.append(Place(self.directory / f"node-{number}", new_keys(), settings))
        for place in self.places:
            if not place.port:
                place.transfers.allow({other.id: other.keys.public for other in self.places})
                place.port = place.transfers.open("127.0.0.1", 0)
        self.meet()
        return self.places[-count:]

    def meet(self) -> None:
        for place in self.places:
            others = [other for other in self.places if other is not place]
            place.transfers.allow({other.id: other.keys.public for other in others})
            place.transfers.reach({other.id: (f"127.0.0.1:{other.port}",) for other in others})

    def revive(self, place: Place) -> Place:
        """The same node after a crash: its thread ended without a word, its store is opened anew."""
        place.close()
        new = Place(place.home, place.keys)
        self.places[self.places.index(place)] = new
        new.transfers.allow({other.id: other.keys.public for other in self.places if other is not new})
        new.port = new.transfers.open("127.0.0.1", 0)
        self.meet()
        return new


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    farm = Farm(tmp_path)
    yield farm
    for place in farm.places:
        place.close()


def put_file(place: Place, size_bytes: int, name: str = "big.bin") -> tuple[BlobRef, bytes]:
    """A file of random bytes in one place's store."""
    data = os.urandom(size_bytes)
    path = place.home / name
    path.write_bytes(data)
    ref, _ = place.store.take_in(path, keep=False)
    return ref, data


def content(place: Place, ref: BlobRef) -> bytes:
    path = place.store.open_blob(ref, verify=True)
    assert path is not None
    return path.read_bytes()


def test_a_file_of_many_blocks_arrives_whole_at_every_node(farm: Farm) -> None:
    source, *others = farm.add(3)
    ref, data = put_file(source, 5_000_001)
    ends: queue.SimpleQueue[FetchEnded] = queue.SimpleQueue()
    for place in others:
        order = FetchOrder("scene/a", (ref,), holders=(source.id,), pin="scene/a")
        threading.Thread(target=lambda place=place, order=order: ends.put(place.fetch(order))).start()
    assert [ends.get(timeout=LIMIT_S).error for _ in others] == ["", ""]
    assert [content(place, ref) == data for place in others] == [True, True]
    assert [place.store.pinned("scene/a") for place in others] == [{ref.id}, {ref.id}]


def test_a_manifest_brings_all_its_files_and_one_that_is_no_manifest_brings_an_error(farm: Farm) -> None:
    source, other = farm.add(2)
    files = []
    for number in range(40):
        path = source.home / f"file-{number}"
        path.write_bytes(b"x" * number * 7000)
        files.append(FileToPack(path, f"tex/{number}.bin"))
    cache = HashCache(source.home / "hashes.db")
    packed = pack(files, "/show", "linux", source.store, cache)
    cache.close()
    ended = other.fetch(FetchOrder("scene/a", (packed.root,), is_manifest=True, pin="scene/a"))
    assert ended.error == ""
    assert all(other.store.has(file.blocks.id) for file in packed.manifest.files)
    assert packed.root.id in other.store.pinned("scene/a")
    assert len(other.store.pinned("scene/a")) == len(
        {file.blocks.id for file in packed.manifest.files} | {packed.root.id}
    )
    junk, _ = put_file(source, 1000)
    assert "manifest" in other.fetch(FetchOrder("scene/b", (junk,), is_manifest=True)).error


def test_what_nobody_holds_ends_with_the_names_of_those_who_were_asked(farm: Farm) -> None:
    source, other = farm.add(2)
    lost = BlobRef(BlobId(b"l" * 32), 5000)
    ended = other.fetch(FetchOrder("result/a", (lost,), holders=(source.id,)))
    assert "no machine that can be reached holds" in ended.error
    assert ended.lacking == (source.id,)


def test_a_damaged_copy_is_never_taken_and_the_other_holders_give_the_file(farm: Farm) -> None:
    good, bad, other = farm.add(3)
    ref, data = put_file(good, 3_000_000)
    assert bad.fetch(FetchOrder("scene/a", (ref,))).error == ""
    path = bad.store.open_blob(ref)
    assert path is not None
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"spoilt by a failing disk")
    assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert content(other, ref) == data


def test_a_fetch_that_a_crash_cut_short_goes_on_where_it_was(farm: Farm) -> None:
    source, other = farm.add(2, Settings(upload_mb_s=4.0, upload_busy_mb_s=0.0))
    ref, data = put_file(source, 12_000_000)
    told: queue.SimpleQueue[FetchProgressed | FetchEnded] = queue.SimpleQueue()
    other.transfers.fetch(FetchOrder("scene/a", (ref,)), told.put)
    while not (isinstance(said := told.get(timeout=LIMIT_S), FetchProgressed) and said.done_bytes > 1_000_000):
        pass
    other = farm.revive(other)
    held_bytes = other.store.bitmap(ref).bit_count() * 128 * 1024
    assert held_bytes >= 900_000
    before_bytes = source.transfers._mesh.traffic.bytes_out
    assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert content(other, ref) == data
    assert source.transfers._mesh.traffic.bytes_out - before_bytes < 12_000_000 - held_bytes + 1_000_000


def test_half_a_file_is_served_on(farm: Farm) -> None:
    source, middle = farm.add(2)
    ref, data = put_file(source, 2_000_000)
    blocks = source.store.block_list(ref)
    assert blocks is not None
    middle.store.begin(ref, blocks)
    middle.store.write_block(ref, 3, data[3 * 131072 : 4 * 131072])
    (last,) = farm.add(1)
    before_bytes = middle.transfers._mesh.traffic.bytes_out
    assert last.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert content(last, ref) == data
    assert middle.transfers._mesh.traffic.bytes_out > before_bytes


def test_a_fetch_that_is_stopped_says_nothing_more_and_can_begin_again(farm: Farm) -> None:
    source, other = farm.add(2, Settings(upload_mb_s=1.0, upload_busy_mb_s=0.0))
    ref, _ = put_file(source, 3_000_000)
    told: queue.SimpleQueue[FetchProgressed | FetchEnded] = queue.SimpleQueue()
    other.transfers.fetch(FetchOrder("scene/a", (ref,)), told.put)
    assert isinstance(told.get(timeout=LIMIT_S), FetchProgressed)
    other.transfers.stop_fetch("scene/a")
    small, data = put_file(source, 1000, "small.bin")
    assert other.fetch(FetchOrder("scene/b", (small,))).error == ""
    assert content(other, small) == data
    while not told.empty():
        assert isinstance(told.get(), FetchProgressed)


@pytest.mark.parametrize(
    ("limits", "is_here", "expected"),
    [((0.0, 0.0), True, 0), ((5.0, 0.0), True, 5_000_000), ((0.0, 2.0), False, 0), ((5.0, 2.0), True, 2_000_000)],
)
def test_the_artist_at_the_machine_gets_the_network_first(
    limits: tuple[float, float], is_here: bool, expected: int
) -> None:
    settings = replace(Settings(), upload_mb_s=limits[0], upload_busy_mb_s=limits[1])
    assert upload_limit(settings, is_here) == expected
