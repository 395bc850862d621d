"""How fast a scene spreads from one node to 2 and to 8: against the ideal swarm, and one source that serves all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from figures import rounded
from transferfarm import TransferFarm

SCENE_MB = 256
UPLOAD_MB_S = 8.0
"""What each node may send: so little that two cores can encrypt and hash for nine nodes."""
SMALL_FILES = 20_000
LARGE_SHARE = 0.5
"""Of the scene is one large file, the rest textures of 4 MiB."""
TEXTURE_BYTES = 4 << 20


def run(scale: float) -> dict[str, Any]:
    """Seconds until the last node has all of it, every uploader limited alike.

    In the ideal swarm the source sends every byte once, while the others send it on at once: size / rate. One source
    that serves all takes as many times as long as there are nodes.
    """
    size_bytes = max(4, int(SCENE_MB * scale)) << 20
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="peerfarm-bench-") as folder:
        home = Path(folder)
        write_scene(home / "scene", size_bytes)
        for count in (2, 8):
            with TransferFarm(home / f"limited-{count}", count, UPLOAD_MB_S) as farm:
                packed = farm.pack(home / "scene")
                taken_s, grown = farm.spread(packed["root"])
            ideal_s = packed["size_bytes"] / (UPLOAD_MB_S * 1e6)
            figures |= {
                f"spread_{count}_s": rounded(taken_s),
                f"spread_{count}_over_ideal": rounded(taken_s / ideal_s),
                f"spread_{count}_over_one_source": rounded(taken_s / (ideal_s * count)),
                f"spread_{count}_source_sent_copies": rounded(grown[0]["sent_bytes"] / packed["size_bytes"]),
                f"spread_{count}_cpu_s_per_node": rounded(sum(one["cpu_s"] for one in grown) / len(grown)),
            }
        with TransferFarm(home / "unlimited", 2) as farm:
            packed = farm.pack(home / "scene")
            taken_s, grown = farm.spread(packed["root"])
        figures |= {
            "spread_unlimited_mb_per_s": rounded(2 * packed["size_bytes"] / 1e6 / taken_s),
            "spread_unlimited_cpu_s": rounded(sum(one["cpu_s"] for one in grown)),
        }
        count = max(10, int(SMALL_FILES * scale))
        write_small_files(home / "small", count)
        with TransferFarm(home / "many", 2) as farm:
            packed = farm.pack(home / "small")
            taken_s, grown = farm.spread(packed["root"])
    return {
        **figures,
        "spread_mb": rounded(size_bytes / 1e6),
        "spread_upload_mb_s": UPLOAD_MB_S,
        "spread_small_files": count,
        "spread_small_files_s": rounded(taken_s),
        "spread_small_files_cpu_s": rounded(sum(one["cpu_s"] for one in grown)),
    }


def write_scene(folder: Path, size_bytes: int) -> None:
    """A scene of random bytes: one large file and many textures."""
    large_bytes = int(size_bytes * LARGE_SHARE)
    _write(folder / "cache.vdb", large_bytes)
    number, left = 0, size_bytes - large_bytes
    while left > 0:
        _write(folder / "textures" / f"wood_{number:03}.exr", min(TEXTURE_BYTES, left))
        number, left = number + 1, left - TEXTURE_BYTES


def write_small_files(folder: Path, count: int) -> None:
    """Files of 1 to 8 KiB, 200 a folder."""
    for number in range(count):
        _write(folder / f"textures_{number // 200:03}" / f"leaf_{number:05}.png", 1024 + number * 37 % 7168)


def _write(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for first in range(0, size_bytes, 1 << 20):
            file.write(os.urandom(min(1 << 20, size_bytes - first)))
