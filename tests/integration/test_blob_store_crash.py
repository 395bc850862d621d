"""Processes that are killed while they pack, fetch and pin, and disks that really run out of room."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import peerfarm
from peerfarm.model.blob import BlobId, BlobRef, blocks_of
from peerfarm.model.manifest import decode_manifest
from peerfarm.store.blobs import BlobStore, HashCache
from peerfarm.store.blobs.layout import Layout

OPEN = """
import os, random, resource, signal, sys
from pathlib import Path
from peerfarm.errors import DiskFull
from peerfarm.model.blob import block_range, blocks_of
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack
root = Path(sys.argv[1])
store = BlobStore(root / "store", 1 << 30)
def say(*words):
    print(*words, flush=True)
"""
PACKER = """
cache = HashCache(root / "hashes.db")
(root / "scene").mkdir(exist_ok=True)
number = 0
while True:
    files = []
    for more in range(30):
        number += 1
        path = root / "scene" / f"{os.getpid()}-{number}.png"
        path.write_bytes(os.urandom(random.choice([50, 5000, 200_000])))
        os.utime(path, ns=(1, 1))
        files.append(FileToPack(path, path.name))
    packed = pack(files, str(root), "linux", store, cache, pin=f"scene/{os.getpid()}-{number}")
    say(f"scene/{os.getpid()}-{number}", packed.root.id.hex(), packed.root.size_bytes)
"""
FETCHER = """
seed = 0
while True:
    seed += 1
    content = random.Random(seed).randbytes(700_000)
    blocks = blocks_of(content)
    store.begin(blocks.ref, blocks)
    store.pin(f"keep/{seed}", [blocks.id])
    order = list(range(len(blocks.hashes)))
    random.shuffle(order)
    for block in order:
        first, length = block_range(len(content), block)
        assert store.write_block(blocks.ref, block, content[first:first + length])
    say(f"keep/{seed}", blocks.id.hex(), len(content))
"""
TAKER = """
number = 0
while True:
    number += 1
    frame = root / f"{os.getpid()}-{number}.exr"
    frame.write_bytes(os.urandom(300_000))
    ref, _ = store.take_in(frame, keep=False, pin=f"result/{os.getpid()}-{number}")
    say(f"result/{os.getpid()}-{number}", ref.id.hex(), ref.size_bytes)
"""
FULL = """
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
content = random.Random(1).randbytes(3_000_000)
blocks = blocks_of(content)
kept, _ = store.put_bytes(b"here before", pin="result/a")
store.begin(blocks.ref, blocks)
source = root / "large.exr"
source.write_bytes(content)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
refused = 0
for block in range(len(blocks.hashes)):
    first, length = block_range(len(content), block)
    try:
        assert store.write_block(blocks.ref, block, content[first:first + length])
    except DiskFull as error:
        assert "room" in str(error) and error.hint
        refused += 1
assert refused == 15, refused
assert store.bitmap(blocks.ref) == 0xFF
for keep in (True, False):
    os.link(source, root / "other.exr")
    try:
        store.take_in(root / "other.exr", keep=keep)
    except DiskFull:
        pass
    else:
        raise AssertionError("it found room")
    (root / "other.exr").unlink()
try:
    store.put_bytes(content[:2_000_000])
except DiskFull:
    pass
else:
    raise AssertionError("it found room")
assert store.read_bytes(kept) == b"here before", "reads go on"
assert list((root / "store" / "drafts").iterdir()) == []
assert store.usage().bytes == len(content) + 11, "no room stays set aside"
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
for block in range(len(blocks.hashes)):
    first, length = block_range(len(content), block)
    assert store.write_block(blocks.ref, block, content[first:first + length])
assert store.read_bytes(blocks.ref) == content, "the same writes succeed when there is room"
store.take_in(source, keep=False)
say("full", blocks.id.hex(), len(content))
"""


@contextmanager
def running(program: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(Path(peerfarm.__file__).parents[1])}
    argv = [sys.executable, "-c", OPEN + program, str(root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def promised(process: subprocess.Popen[str], lines: int) -> dict[str, BlobRef]:
    """What it said that it had kept, until it was killed some time after so many lines."""
    kept: dict[str, BlobRef] = {}
    assert process.stdout
    for line in process.stdout:
        if not line.endswith("\n"):
            break
        key, name, size = line.split()
        kept[key] = BlobRef(BlobId(bytes.fromhex(name)), int(size))
        if len(kept) == lines:
            process.kill()
    return kept


def check_everything(root: Path) -> BlobStore:
    """Open what a crash left: every blob that counts as here is what its name says, and nothing half is left."""
    store = BlobStore(root / "store", 1 << 30)
    assert list((root / "store" / "drafts").iterdir()) == []
    for found in Layout(root / "store").whole():
        assert store.open_blob(BlobRef(found.id, found.size_bytes), verify=True), "a half blob counts as whole"
    names = {path.name for path in (root / "store" / "blobs").iterdir()}
    assert {name.removesuffix(".blocks") for name in names} <= names
    assert store.take_gone() == ()
    return store


@pytest.mark.parametrize("program", [PACKER, FETCHER, TAKER], ids=["packing", "fetching", "taking in"])
def test_what_was_promised_is_there_after_a_kill_at_any_point(tmp_path: Path, program: str) -> None:
    chance = random.Random()
    everything: dict[str, BlobRef] = {}
    for _ in range(4):
        with running(program, tmp_path) as process:
            kept = promised(process, chance.randint(1, 6))
        assert kept
        everything |= kept
        store = check_everything(tmp_path)
        for key, ref in everything.items():
            assert ref.id in store.pinned(key)
            assert store.read_bytes(ref) is not None
            if key.startswith("scene/"):
                manifest = decode_manifest(store.read_bytes(ref) or b"")
                assert len(manifest.files) == 30
                assert all(store.has(file.blocks.id) for file in manifest.files)
        store.close()


def test_fetching_goes_on_after_a_kill_where_it_was(tmp_path: Path) -> None:
    resumed = 0
    for _ in range(4):
        with running(FETCHER, tmp_path) as process:
            promised(process, random.randint(1, 4))
        store = check_everything(tmp_path)
        for key in store.pin_keys():
            content = random.Random(int(key.removeprefix("keep/"))).randbytes(700_000)
            blocks = blocks_of(content)
            if store.has(blocks.id):
                continue
            resumed += store.bitmap(blocks.ref) != 0
            for block in range(len(blocks.hashes)):
                there = store.read_block(blocks.ref, block)
                part = content[block * 131_072 : (block + 1) * 131_072]
                assert there in {None, part}
                if there is None:
                    store.begin(blocks.ref, blocks)
                    assert store.write_block(blocks.ref, block, part)
            assert store.read_bytes(blocks.ref) == content
        store.close()


def test_a_cache_of_hashes_outlives_a_kill(tmp_path: Path) -> None:
    with running(PACKER, tmp_path) as process:
        promised(process, 3)
    cache = HashCache(tmp_path / "hashes.db")
    known = 0
    for path in (tmp_path / "scene").iterdir():
        blocks = cache.find(path.stat())
        known += blocks is not None
        assert blocks in {None, blocks_of(path.read_bytes())}
    assert known >= 60
    cache.close()


def test_a_full_disk_refuses_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with running(FULL, tmp_path) as process:
        kept = promised(process, 2)
        assert process.wait() == 0
    store = check_everything(tmp_path)
    assert store.has(kept["full"].id)
    assert store.pinned("result/a")
    store.close()
