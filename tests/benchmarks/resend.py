"""What a second submission sends after one texture was changed: the texture and the new list of files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from figures import rounded
from spread import TEXTURE_BYTES, write_scene
from transferfarm import TransferFarm

SCENE_MB = 256


def run(scale: float) -> dict[str, Any]:
    """Bytes that all nodes sent, to two others that have the first submission; before encryption."""
    size_bytes = max(16, int(SCENE_MB * scale)) << 20
    with tempfile.TemporaryDirectory(prefix="peerfarm-bench-") as folder:
        home = Path(folder)
        write_scene(home / "scene", size_bytes)
        with TransferFarm(home / "farm", 2) as farm:
            first = farm.pack(home / "scene")
            first_s, first_grown = farm.spread(first["root"])
            (home / "scene" / "textures" / "wood_000.exr").write_bytes(os.urandom(TEXTURE_BYTES))
            second = farm.pack(home / "scene")
            second_s, second_grown = farm.spread(second["root"])
    first_bytes, second_bytes = (sum(one["sent_bytes"] for one in grown) for grown in (first_grown, second_grown))
    return {
        "resend_bytes_per_node": rounded(second_bytes / 2),
        "resend_over_texture": rounded(second_bytes / 2 / TEXTURE_BYTES),
        "resend_s": rounded(second_s),
        "resend_pack_s": rounded(second["pack_s"]),
        "resend_first_bytes_per_node": rounded(first_bytes / 2),
        "resend_first_s": rounded(first_s),
    }
