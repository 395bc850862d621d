"""Blobs travel between transfer threads over real links, from several peers at once, and every block is checked."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from transfer_rig import LIMIT_S, Farm, Place, ending, until

from peerfarm.config import Settings
from peerfarm.daemon.transfers import CLOSE_LIMIT_S, upload_limit
from peerfarm.errors import DiskFull
from peerfarm.mesh import LinkDown, LinkUp, ZmqMesh, new_keys
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import node_id_of
from peerfarm.model.manifest import MAX_MANIFEST_BYTES

BLOCK = 128 << 10


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    farm = Farm(tmp_path)
    yield farm
    farm.close()


def limited(upload_mb_s: float) -> Settings:
    return Settings(upload_mb_s=upload_mb_s, upload_busy_mb_s=0.0)


def sent_bytes(place: Place) -> int:
    return place.transfers.traffic.bytes_out


# What arrives


def test_a_file_of_many_blocks_arrives_whole_at_every_node(farm: Farm) -> None:
    source, *others = farm.add(3)
    ref, data = source.put_file(5_000_001)
    told = [place.begin(FetchOrder("scene/a", (ref,), holders=(source.id,), pin="scene/a")) for place in others]
    assert [ending(one).error for one in told] == ["", ""]
    assert [place.content(ref) == data for place in others] == [True, True]
    assert [place.store.pinned("scene/a") for place in others] == [{ref.id}, {ref.id}]


def test_a_manifest_brings_all_its_files_and_pins_them(farm: Farm) -> None:
    source, other = farm.add(2)
    packed = source.pack({f"tex/{number}.bin": b"x" * number * 7000 for number in range(40)}, source.home / "show")
    ended = other.fetch(FetchOrder("scene/a", (packed.root,), is_manifest=True, pin="scene/a"))
    assert ended == FetchEnded("scene/a")
    files = {file.blocks.id for file in packed.manifest.files}
    assert all(other.store.has(file) for file in files)
    assert other.store.pinned("scene/a") == files | {packed.root.id}


def test_what_is_here_already_needs_no_peer(farm: Farm) -> None:
    (alone,) = farm.add(1)
    packed = alone.pack({"a.bin": b"a" * 300_000, "empty": b""}, alone.home / "show")
    assert alone.fetch(FetchOrder("scene/a", (packed.root,), is_manifest=True)).error == ""


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_what_is_no_manifest_ends_with_a_sentence(farm: Farm, content: bytes) -> None:
    source, other = farm.add(2)
    root, _ = source.store.put_bytes(content)
    assert "manifest" in other.fetch(FetchOrder("scene/b", (root,), is_manifest=True)).error


def test_a_manifest_of_an_impossible_size_is_not_even_asked_for(farm: Farm) -> None:
    (other,) = farm.add(1)
    root = BlobRef(BlobId(b"r" * 32), MAX_MANIFEST_BYTES + 1)
    assert "too many" in other.fetch(FetchOrder("scene/b", (root,), is_manifest=True)).error


def test_what_nobody_holds_ends_with_the_names_of_those_who_were_asked(farm: Farm) -> None:
    source, other = farm.add(2)
    lost = BlobRef(BlobId(b"l" * 32), 5000)
    ended = other.fetch(FetchOrder("result/a", (lost,), holders=(source.id,)))
    assert "no machine that can be reached holds" in ended.error
    assert ended.lacking == (source.id,)


def test_a_damaged_copy_is_never_taken_and_the_other_holders_give_the_file(farm: Farm) -> None:
    good, bad, other = farm.add(3)
    ref, data = good.put_file(3_000_000)
    assert bad.fetch(FetchOrder("scene/a", (ref,))).error == ""
    bad.spoil(ref)
    assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert other.content(ref) == data


def test_a_fetch_that_a_crash_cut_short_goes_on_where_it_was(farm: Farm) -> None:
    source, other = farm.add(2, limited(4.0))
    ref, data = source.put_file(12_000_000)
    told = other.begin(FetchOrder("scene/a", (ref,)))
    while not (isinstance(said := told.get(timeout=LIMIT_S), FetchProgressed) and said.done_bytes > 1_000_000):
        pass
    other = farm.revive(other)
    held_bytes = other.store.bitmap(ref).bit_count() * BLOCK
    assert held_bytes >= 900_000
    before_bytes = sent_bytes(source)
    assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert other.content(ref) == data
    assert sent_bytes(source) - before_bytes < 12_000_000 - held_bytes + 1_000_000


def test_half_a_file_is_served_on(farm: Farm) -> None:
    source, middle = farm.add(2)
    ref, data = source.put_file(2_000_000)
    blocks = source.store.block_list(ref)
    assert blocks is not None
    middle.store.begin(ref, blocks)
    middle.store.write_block(ref, 3, data[3 * BLOCK : 4 * BLOCK])
    (last,) = farm.add(1)
    before_bytes = sent_bytes(middle)
    assert last.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert last.content(ref) == data
    assert sent_bytes(middle) > before_bytes


def test_a_node_that_listens_nowhere_fetches_and_serves(farm: Farm) -> None:
    (open_place,) = farm.add(1)
    (shy,) = farm.add(1, host="")
    ref, data = open_place.put_file(400_000)
    assert shy.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert shy.content(ref) == data
    own, own_data = shy.put_file(500_000, "own.bin")
    assert open_place.fetch(FetchOrder("scene/b", (own,), holders=(shy.id,))).error == ""
    assert open_place.content(own) == own_data


def test_what_a_node_takes_in_while_a_peer_looks_for_it_is_told_to_the_peer(farm: Farm) -> None:
    source, other = farm.add(2)
    data = os.urandom(300_000)
    elsewhere = Place(farm.directory / "elsewhere")
    frame = elsewhere.put(data)
    elsewhere.close()
    told = other.begin(FetchOrder("result/a", (BlobRef(BlobId(frame.sha256), frame.size_bytes),)))
    until(lambda: sent_bytes(other) > 0)  # it was looked for
    path = source.home / "frame.exr"
    path.write_bytes(data)
    source.files.take_in("result/a", [path])
    assert ending(told).error == ""


# Orders


def test_a_fetch_that_is_stopped_says_nothing_more_and_can_begin_again(farm: Farm) -> None:
    source, other = farm.add(2, limited(1.0))
    ref, _ = source.put_file(3_000_000)
    told = other.begin(FetchOrder("scene/a", (ref,)))
    assert isinstance(told.get(timeout=LIMIT_S), FetchProgressed)
    other.transfers.stop_fetch("scene/a")
    small, data = source.put_file(1000, "small.bin")
    assert other.fetch(FetchOrder("scene/b", (small,))).error == ""
    assert other.content(small) == data
    while not told.empty():
        assert isinstance(told.get(), FetchProgressed)


def test_whoever_waits_for_a_fetch_hears_that_another_took_its_place(farm: Farm) -> None:
    source, other = farm.add(2)
    former = other.begin(FetchOrder("scene/a", (BlobRef(BlobId(b"l" * 32), 5000),)))
    ref, _ = source.put_file(1000)
    assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""
    assert "took its place" in ending(former).error


def test_pins_are_let_go_after_the_fetches_that_were_ordered_before(farm: Farm) -> None:
    source, other = farm.add(2)
    ref, _ = source.put_file(1000)
    for _ in range(20):
        other.begin(FetchOrder("scene/a", (ref,), pin="scene/a"))
        other.transfers.stop_fetch("scene/a")
        other.transfers.release(["scene/a"])
    assert other.fetch(FetchOrder("scene/b", (ref,), pin="scene/b")).error == ""
    assert other.store.pin_keys() == ("scene/b",)


def test_a_fetch_that_goes_on_does_not_pin_again_what_was_let_go(farm: Farm) -> None:
    (other,) = farm.add(1)
    elsewhere = Place(farm.directory / "elsewhere")
    packed = elsewhere.pack({"a.bin": b"a" * 1000}, elsewhere.home / "show")
    contents = [elsewhere.content(ref) for ref in (packed.root, packed.manifest.files[0].ref)]
    elsewhere.close()
    told = other.begin(FetchOrder("scene/a", (packed.root,), is_manifest=True, pin="scene/a"))
    until(lambda: other.store.pinned("scene/a") == {packed.root.id})
    other.transfers.release(["scene/a"])
    until(lambda: other.store.pin_keys() == ())
    (source,) = farm.add(1)
    source.transfers.came(tuple(source.store.put_bytes(content)[0] for content in contents))
    assert ending(told).error == ""
    assert other.store.has(packed.manifest.files[0].blocks.id)
    assert other.store.pin_keys() == ()


# What goes wrong


def test_a_scene_for_which_there_is_no_room_is_refused_before_anything_is_sent_for_it(farm: Farm) -> None:
    (source,) = farm.add(1)
    (small,) = farm.add(1, quota_bytes=3_000_000)
    files = {f"{number}.bin": os.urandom(1_000_000) for number in range(5)}
    packed = source.pack(files, source.home / "show")
    ended = small.fetch(FetchOrder("scene/a", (packed.root,), is_manifest=True, pin="scene/a"))
    assert ended.is_disk_full
    assert "no room" in ended.error
    assert "Raise" in ended.error
    assert sent_bytes(source) < 100_000


def test_a_store_that_fills_up_in_the_middle_ends_that_fetch_and_no_other(farm: Farm) -> None:
    (source,) = farm.add(1, limited(2.0))
    (other,) = farm.add(1, quota_bytes=14_000_000)
    packed = source.pack({f"{number}.bin": os.urandom(200_000) for number in range(60)}, source.home / "show")
    small, _ = source.put_file(1000, "small.bin")
    told = other.begin(FetchOrder("scene/a", (packed.root,), is_manifest=True, pin="scene/a"))
    while not (isinstance(said := told.get(timeout=LIMIT_S), FetchProgressed) and said.done_bytes > 200_000):
        pass
    for size_bytes in (4_000_000, 2_000_000, 1_000_000, 500_000, 250_000):
        with suppress(DiskFull):
            other.store.put_bytes(os.urandom(size_bytes), f"scene/{size_bytes}")
    ended = ending(told)
    assert ended.is_disk_full
    assert "no room" in ended.error
    assert other.fetch(FetchOrder("scene/small", (small,), pin="scene/small")).error == ""


def test_frames_are_fetched_past_the_quota_and_scenes_are_not(farm: Farm) -> None:
    (source,) = farm.add(1)
    (full,) = farm.add(1, quota_bytes=1_000_000)
    full.store.put_bytes(os.urandom(950_000), "scene/a")
    frames = tuple(source.put_file(size_bytes, f"{size_bytes}.exr")[0] for size_bytes in (90_000, 700_000))
    ended = full.fetch(FetchOrder("keep/a", frames, holders=(source.id,), pin="keep/a"))
    assert ended == FetchEnded("keep/a")
    assert full.store.pinned("keep/a") == {ref.id for ref in frames}
    packed = source.pack({"a.bin": os.urandom(60_000)}, source.home / "show")
    ended = full.fetch(FetchOrder("scene/b", (packed.root,), is_manifest=True, pin="scene/b"))
    assert ended.is_disk_full
    assert "store_gb" in ended.error


def test_a_full_disk_is_told_by_its_place_and_with_what_to_do(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    source, other = farm.add(2)
    ref, _ = source.put_file(300_000)
    monkeypatch.setattr("peerfarm.store.blobs.stock.free_bytes", lambda _directory: 1000)
    ended = other.fetch(FetchOrder("result/a", (ref,)))
    assert ended.is_disk_full
    assert f"no room for 300 kB on the disk of {other.home / 'blobs'}" in ended.error
    assert "Make room on it, or set a smaller `store_gb`" in ended.error


def test_a_peer_that_sends_garbage_is_cut_off_and_no_other_transfer_suffers(farm: Farm) -> None:
    source, other = farm.add(2, limited(4.0))
    ref, data = source.put_file(4_000_000)
    keys = new_keys()
    stranger = ZmqMesh(keys)
    try:
        known = {place.id: place.keys.public for place in farm.places}
        for place in farm.places:
            others = {one.id: one.keys.public for one in farm.places if one is not place}
            place.transfers.allow({**others, node_id_of(keys.public): keys.public})
        stranger.allow(known)
        stranger.tick(time.monotonic())
        stranger.dial(other.id, f"127.0.0.1:{other.port}")
        told = other.begin(FetchOrder("scene/a", (ref,)))
        happened = wait_for(stranger, LinkUp)
        for junk in (b"\0", os.urandom(5000), b"\x92\x08\xc4"):
            stranger.send(other.id, junk)
        wait_for(stranger, LinkDown)
        assert ending(told).error == ""
        assert other.content(ref) == data
        assert happened
    finally:
        stranger.close(0.0)


def wait_for(mesh: ZmqMesh, kind: type[LinkUp | LinkDown]) -> bool:
    poller = zmq.Poller()
    give_up_s = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up_s:
        for socket in mesh.pollables():
            poller.register(socket, zmq.POLLIN)
        poller.poll(200)
        for socket in list(dict(poller.sockets)):
            poller.unregister(socket)
        mesh.tick(time.monotonic())
        if any(isinstance(event, kind) for event in mesh.receive()):
            return True
    pytest.fail(f"no {kind.__name__}")


def test_closing_while_fetches_run_is_quick_and_whoever_waits_hears_so(farm: Farm) -> None:
    source, other = farm.add(2, limited(1.0))
    ref, _ = source.put_file(6_000_000)
    told = other.begin(FetchOrder("scene/a", (ref,)))
    assert isinstance(told.get(timeout=LIMIT_S), FetchProgressed)
    ended = threading.Event()
    threading.Thread(target=lambda: (other.transfers.close(), ended.set())).start()
    assert ended.wait(CLOSE_LIMIT_S + 2.0)
    assert "ending" in ending(told).error
    assert "ending" in other.fetch(FetchOrder("scene/b", (ref,))).error


def test_transfers_that_were_never_opened_end_as_well(tmp_path: Path) -> None:
    place = Place(tmp_path)
    told = place.begin(FetchOrder("scene/a", (BlobRef(BlobId(b"l" * 32), 5000),)))
    place.close()
    assert "ending" in ending(told).error


def test_a_thread_that_has_nothing_to_do_sleeps(farm: Farm) -> None:
    source, other = farm.add(2)
    ref, _ = source.put_file(300_000)
    assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""

    def sleeps(place: Place) -> bool:
        transfers = place.transfers
        due_s = min(transfers._next_tick_s, transfers._wake_s, transfers._next_look_s())
        return due_s - time.monotonic() > 20.0

    until(lambda: sleeps(source) and sleeps(other))


@pytest.mark.parametrize(
    ("limits", "is_here", "expected"),
    [((0.0, 0.0), True, 0), ((5.0, 0.0), True, 5_000_000), ((0.0, 2.0), False, 0), ((5.0, 2.0), True, 2_000_000)],
)
def test_the_artist_at_the_machine_gets_the_network_first(
    limits: tuple[float, float], is_here: bool, expected: int
) -> None:
    settings = replace(Settings(), upload_mb_s=limits[0], upload_busy_mb_s=limits[1])
    assert upload_limit(settings, is_here) == expected


def test_the_disk_that_hangs_keeps_nobody_from_being_served(farm: Farm) -> None:
    """The thread that prepares fetches waits for the store's pins; reads for peers go on beside it."""
    source, other = farm.add(2)
    ref, data = source.put_file(300_000)
    is_held, may_go = threading.Event(), threading.Event()

    def hang() -> None:
        is_held.set()
        assert may_go.wait(LIMIT_S)

    source.transfers._work.prepare(hang)
    try:
        assert is_held.wait(LIMIT_S)
        waiting: queue.SimpleQueue[FetchEnded | FetchProgressed] = source.begin(FetchOrder("scene/b", (ref,)))
        assert other.fetch(FetchOrder("scene/a", (ref,))).error == ""
        assert other.content(ref) == data
        assert waiting.empty()
    finally:
        may_go.set()
    assert ending(waiting).error == ""
