"""Projects of After Effects for tests: a file with footage as After Effects writes it, and what `app` says of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def aep(footage: Sequence[Path], queue: Sequence[dict[str, Any]]) -> bytes:
    """A project that names this footage, with a render queue that `fakes/aerender` can read; folders are sequences."""
    links = [{"fullpath": str(path), "platform": "MacPOSIX", "target_is_folder": path.is_dir()} for path in footage]
    body = b"".join(_chunk(b"alas", json.dumps(link).encode()) for link in links)
    rows = [{"comp": item["comp"], "queued": item.get("status", "QUEUED") == "QUEUED"} for item in queue]
    inner = b"Egg!" + _chunk(b"LIST", b"Fold" + body) + _chunk(b"fake", json.dumps(rows).encode())
    return struct.pack(">4sI", b"RIFX", len(inner)) + inner + b"<?xpacket begin=''?>"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">4sI", kind, len(content)) + content + b"\0" * (len(content) % 2)


def shot(folder: Path, output: Path, name: str = "shot.aep") -> dict[str, Any]:
    """A saved project of two compositions: a plate, a sequence in the inner one, and one item of 8 frames queued."""
    footage = folder / "footage"
    plates = footage / "plates"
    plates.mkdir(parents=True, exist_ok=True)
    (footage / "title card.png").write_bytes(b"a title")
    for frame in range(1, 4):
        (plates / f"plate_{frame:03d}.exr").write_bytes(b"plate %d" % frame)
    (plates / "notes.txt").write_bytes(b"not part of the sequence")
    queue = [{"comp": "Shot 010", "start": 0.4, "duration": 8 / 25, "outputs": [str(output / "shot_[####].png")]}]
    project = folder / name
    project.write_bytes(aep([footage / "title card.png", plates], queue))
    return {
        "file": str(project),
        "queue": queue,
        "comps": [
            {"name": "Shot 010", "duration": 8, "layers": [{"comp": "Plates"}, {"camera": True}]},
            {
                "name": "Plates",
                "layers": [
                    {"file": str(footage / "title card.png")},
                    {"file": str(plates / "plate_001.exr"), "isStill": False},
                ],
            },
        ],
    }


FRAMES = [f"shot_{frame:04d}.png" for frame in range(10, 18)]
"""What `shot` renders."""
