"""How fast large files become blobs: hashed alone, packed durably, and packed again when nothing has changed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import rounded

from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack, this_system
from peerfarm.store.blobs.disk import open_plain
from peerfarm.store.blobs.reading import hash_blocks

FILES, SIZE_MB = 8, 64
LONG_AGO_NS = 1_600_000_000_123_456_789


def run(scale: float) -> dict[str, Any]:
    """Eight files of 64 MiB, just written, so that they are read from memory where there is enough of it."""
    size_bytes = max(1, int(SIZE_MB * scale)) << 20
    with tempfile.TemporaryDirectory(prefix="peerfarm-bench-") as folder:
        home = Path(folder)
        files = [_written(home / "scene" / f"{number}.vdb", size_bytes) for number in range(FILES)]
        all_mb = FILES * size_bytes / 1e6
        begun_s = time.perf_counter()
        for file in files:
            with open_plain(file, follows_links=False) as opened:
                assert hash_blocks(opened, size_bytes, _unwatched) is not None
        hashed_s = time.perf_counter() - begun_s
        store = BlobStore(home / "store", 1 << 40)
        cache = HashCache(home / "hashes.db")
        to_pack = [FileToPack(file, file.name) for file in files]
        packed_s = [_packing_s(to_pack, store, cache) for _ in range(2)]
        cache.close()
        store.close()
    return {
        "hash_mb_per_s": rounded(all_mb / hashed_s),
        "pack_mb_per_s": rounded(all_mb / packed_s[0]),
        "pack_again_ms": rounded(packed_s[1] * 1000),
        "pack_mb": rounded(all_mb),
    }


def _written(path: Path, size_bytes: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def _packing_s(files: list[FileToPack], store: BlobStore, cache: HashCache) -> float:
    begun_s = time.perf_counter()
    pack(files, str(files[0].source.parent), this_system(), store, cache)
    return time.perf_counter() - begun_s


def _unwatched(_done_bytes: int) -> None:
    """Nobody watches."""
