"""A scene of 20 000 small files: packed, packed again, kept by a node that fetched it, opened, and laid out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import rounded

from peerfarm.model.blob import BlobRef
from peerfarm.model.manifest import Manifest, decode_manifest, encode_manifest
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack, this_system

FILES = 20_000
TOGETHER = 128
"""Blocks that a node writes at once: about what lies in one message of half a mebibyte."""
LONG_AGO_NS = 1_600_000_000_123_456_789


def run(scale: float) -> dict[str, Any]:
    """Files of 1 to 8 KiB, 200 a folder; every write durable where a node makes it durable."""
    count = max(10, int(FILES * scale))
    with tempfile.TemporaryDirectory(prefix="peerfarm-bench-") as folder:
        home = Path(folder)
        files = _written(home / "scene", count)
        store, cache = BlobStore(home / "store", 1 << 40), HashCache(home / "hashes.db")
        base, system = str(home / "scene"), this_system()
        pack_s, packed = _timed(lambda: pack(files, base, system, store, cache, pin="scene/a"))
        again_s, same = _timed(lambda: pack(files, base, system, store, cache, pin="scene/a"))
        assert same == packed
        manifest = packed.manifest
        raw = encode_manifest(manifest)
        decode_s, _ = _timed(lambda: decode_manifest(raw))
        other = BlobStore(home / "other", 1 << 40)
        fetch_s, _ = _timed(lambda: _fetch(manifest, store, other))
        other.close()
        open_s, other = _timed(lambda: BlobStore(home / "other", 1 << 40))
        first_s, _ = _timed(lambda: other.lay_out(manifest, home / "out1"))
        next_s, _ = _timed(lambda: other.lay_out(manifest, home / "out2"))
        other.close()
        cache.close()
        store.close()
    return {
        "small_files_pack_s": rounded(pack_s),
        "small_files_pack_again_s": rounded(again_s),
        "small_files_keep_s": rounded(fetch_s),
        "small_files_open_s": rounded(open_s),
        "small_files_lay_out_first_s": rounded(first_s),
        "small_files_lay_out_s": rounded(next_s),
        "small_files_manifest_kib": rounded(len(raw) / 1024),
        "small_files_decode_ms": rounded(decode_s * 1000),
        "small_files": count,
    }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun_s = time.perf_counter()
    result = work()
    return time.perf_counter() - begun_s, result


def _written(folder: Path, count: int) -> list[FileToPack]:
    files = []
    for number in range(count):
        path = folder / f"textures_{number // 200:03}" / f"leaf_{number:05}.png"
        if number % 200 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(1024 + number * 37 % 7168))
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
        files.append(FileToPack(path, path.relative_to(folder).as_posix()))
    return files


def _fetch(manifest: Manifest, source: BlobStore, target: BlobStore) -> None:
    """What a node does with the blocks that arrive, without the network."""
    for first in range(0, len(manifest.files), TOGETHER):
        writes: list[tuple[BlobRef, int, bytes]] = []
        for file in manifest.files[first : first + TOGETHER]:
            target.begin(file.ref, file.blocks)
            data = source.read_block(file.ref, 0)
            assert data is not None
            writes.append((file.ref, 0, data))
        assert all(target.write_blocks(writes))
