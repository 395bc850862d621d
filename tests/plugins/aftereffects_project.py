"""Projects of After Effects for tests: a file with footage as After Effects writes it, and what `app` says of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def aep(
    footage: Sequence[Path],
    queue: Sequence[dict[str, Any]],
    comps: Sequence[dict[str, Any]] = (),
    saved_in: Path | None = None,
    *,
    counts_from_one: bool = False,
) -> bytes:
    """A project that names this footage, with this render queue; folders are sequences of `plate_NUMBER.exr`.

    `saved_in` is the folder above all footage from which on the project finds it again when both were moved.
    Items and compositions are those of `application.cjs`; compositions that none describes have 25 frames a second.
    """
    told = {comp["name"]: comp for comp in comps}
    names = list(dict.fromkeys(item["comp"] for item in queue))
    items = [_source(path, saved_in) for path in footage] + [
        _comp(100 + at, name, told.get(name, {})) for at, name in enumerate(names)
    ]
    rows = b"".join(_row(100 + names.index(item["comp"]), item) for item in queue)
    head = chunk(b"lhd3", struct.pack(">10xHIHH", len(queue), len(queue), 0, ROW_BYTES))
    settings = chunks(b"list", head, *([chunk(b"ldat", rows)] if queue else []))
    outputs = chunks(b"LItm", *(part for item in queue for part in _outputs(item)))
    version = struct.pack(">4xI", 3 << 26 | 2 << 15)  # 24.2
    display = chunk(b"nnhd", bytes(20) + bytes([3 if counts_from_one else 2]) + bytes(19))
    inner = b"Egg!" + chunk(b"head", version) + display + chunks(b"Fold", *items) + chunks(b"LRdr", settings, outputs)
    return struct.pack(">4sI", b"RIFX", len(inner)) + inner + b"<?xpacket begin=''?>"


ROW_BYTES = 2246
"""Of one item's settings."""
_STATUS = {"QUEUED": 2, "UNQUEUED": 1, "DONE": 6, "NEEDS_OUTPUT": 0}
_FORMATS = {".png": b"png!", ".exr": b"oEXR", ".mov": b"MooV"}


def alias(path: str, is_folder: bool, parts: int = 0) -> bytes:
    """The part that names a file or a folder, so many parts of the path below the project's own folder."""
    said = {"fullpath": path, "platform": 2, "server_name": "", "target_is_folder": is_folder}
    said |= {"ascendcount_base": 1, "ascendcount_target": parts + is_folder} if parts else {}
    return chunks(b"Als2", chunk(b"alas", json.dumps(said).encode()))


def _source(path: Path, saved_in: Path | None) -> bytes:
    parts = len(path.relative_to(saved_in).parts) if saved_in else 0
    around = [chunk(b"Utf8", b"plate_"), chunk(b"Utf8", b".exr")] if path.is_dir() else []
    pin = chunks(b"Pin ", chunk(b"sspc", bytes(9)), alias(str(path), path.is_dir(), parts), *around)
    return chunks(b"Item", chunk(b"idta", bytes(20)), chunk(b"Utf8", b""), pin)


def _comp(number: int, name: str, told: dict[str, Any]) -> bytes:
    duration, shown = told.get("duration", 8), told.get("start", 0)
    whole, part = divmod(round(told.get("frameRate", 25) * 65536), 65536)
    start, end = (round(at * 600) for at in told.get("workArea", (0, 0)))
    times = (start, 600, end or 0xFFFFFFFF, 600, round(duration * 600), 600)
    cdta = struct.pack(">28xiIIIII88xHH12xHH4xiI32x", *times, 640, 360, whole, part, round(shown * 600), 600)
    return chunks(
        b"Item",
        chunk(b"idta", struct.pack(">16xI64x", number)),
        chunk(b"Utf8", name.encode()),
        chunk(b"cdta", cdta),
    )


def _row(comp: int, item: dict[str, Any]) -> bytes:
    start, duration = (round(item.get(key, 0) * 30000) for key in ("start", "duration"))
    status = _STATUS[item.get("status", "QUEUED")]
    row = struct.pack(">8xIi4xiIiI", comp, status, start, 30000, duration, 30000).ljust(ROW_BYTES, b"\0")
    rate = item.get("rate", 0)  # one of its own, in place of the composition's
    row = row[:44] + struct.pack(">H", rate) + row[46:2144] + struct.pack(">H", rate > 0) + row[2146:]
    return row[:2148] + struct.pack(">H", item.get("span", 2)) + row[2150:]


def _outputs(item: dict[str, Any]) -> list[bytes]:
    parts: list[bytes] = []
    for path in item.get("outputs", ()):
        folder, _, name = str(path).rpartition("/")
        code = _FORMATS.get(Path(name).suffix, b"TIF ")
        parts += [chunk(b"Roou", bytes(26) + code + bytes(124)), alias(folder, True)]
        parts += [chunk(b"Utf8", b"Best"), chunk(b"Utf8", item.get("template", name).encode())]
    return [chunks(b"list", chunk(b"lhd3", bytes(52))), chunks(b"LOm ", *parts)]


def chunks(name: bytes, *parts: bytes) -> bytes:
    """A list of parts."""
    return chunk(b"LIST", name + b"".join(parts))


def chunk(kind: bytes, content: bytes) -> bytes:
    """One part."""
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
