"""A manifest: the files that a job brings along. It travels as a blob itself; the job names that blob, the root."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgpack

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import BlobId, BlobRef, BlockList, block_count
from peerfarm.model.filenames import collision_key, path_fault

MANIFEST_VERSION = 1
MAX_MANIFEST_BYTES = 64 << 20
MAX_FILES = 200_000
MAX_TOTAL_BYTES = 1 << 44
"""16 TiB."""
MODES = (0o644, 0o755)
"""A file's mode says whether it may be run, and nothing else."""
SYSTEMS = ("linux", "darwin", "windows")


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a job."""

    path: str
    """Relative to the checkout, with `/`, in Unicode NFC; never absolute, never with `..`."""
    blocks: BlockList
    mode: int = 0o644
    mtime_ns: int = 0
    """When it was last changed on the submitter's machine, since 1970."""
    origin: str = ""
    """Where it lay on the submitter's machine, when it was not below the manifest's base; absolute."""

    @property
    def ref(self) -> BlobRef:
        """Its blob."""
        return BlobRef(self.blocks.id, self.blocks.size_bytes)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a job, ordered by path."""

    base: str
    """The directory on the submitter's machine that became the root of the checkout; absolute."""
    system: str
    """Of the submitter's machine: one of SYSTEMS; says how `base` and the origins are written."""
    files: tuple[ManifestFile, ...] = field(default=())

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.blocks.size_bytes for file in self.files)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as msgpack, always the same bytes for the same value.

    Raises:
        InvalidManifest: What `decode_manifest` would refuse.
    """
    rows = [
        [f.path, f.blocks.size_bytes, f.mode, f.mtime_ns, b"".join(f.blocks.hashes), f.origin] for f in manifest.files
    ]
    try:
        raw: bytes = msgpack.packb([MANIFEST_VERSION, manifest.base, manifest.system, rows])
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidManifest("a path that holds bytes that are no text, or a time far from now") from error
    if len(raw) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(
            f"the list of the job's files takes {len(raw)} bytes, more than {MAX_MANIFEST_BYTES}",
            "Bring fewer files along: put large caches on shared storage.",
        )
    decode_manifest(raw)
    return raw


def decode_manifest(raw: bytes) -> Manifest:
    """Read a manifest that may come from anybody; everything in it is checked before it is believed.

    Raises:
        InvalidManifest: The sentence says what is wrong. Sizes are checked before anything is made from them.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"a manifest of {len(raw)} bytes; at most {MAX_MANIFEST_BYTES} are read")
    try:
        base, system, rows = _unpacked(raw)
    except (ValueError, msgpack.UnpackException) as error:
        raise InvalidManifest("a manifest that cannot be read") from error
    if not (isinstance(base, str) and isinstance(system, str) and system in SYSTEMS):
        raise InvalidManifest("a manifest whose head is malformed")
    files = tuple(_file(row) for row in rows)
    _check_together(files)
    return Manifest(base, system, files)


def _unpacked(raw: bytes) -> tuple[Any, Any, list[tuple[Any, ...]]]:
    """The parts of a manifest, nothing of them checked but that they are flat.

    Read piece by piece: a few bytes of nested lists would become a hundred times as much memory.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=max(1, len(raw)), max_array_len=0, max_map_len=0, max_ext_len=0)
    unpacker.feed(raw)
    read, read_length = unpacker.unpack, unpacker.read_array_header
    if read_length() != 4:
        raise InvalidManifest("a manifest whose head is malformed")
    version = read()
    if type(version) is not int or version != MANIFEST_VERSION:
        raise InvalidManifest("not a manifest of a version that this release of peerfarm knows")
    base, system, count = read(), read(), read_length()
    if count > MAX_FILES:
        raise InvalidManifest(f"{count} files; at most {MAX_FILES} can travel with one job")
    rows = []
    for _ in range(count):
        if read_length() != 6:
            raise InvalidManifest("a manifest with a malformed file")
        rows.append((read(), read(), read(), read(), read(), read()))
    if unpacker.tell() != len(raw):
        raise InvalidManifest("a manifest with something behind its end")
    return base, system, rows


def _file(row: tuple[Any, ...]) -> ManifestFile:
    path, size_bytes, mode, mtime_ns, packed, origin = row
    are_types_right = isinstance(path, str) and isinstance(packed, bytes) and isinstance(origin, str)
    if not are_types_right or any(type(number) is not int for number in (size_bytes, mode, mtime_ns)):
        raise InvalidManifest("a manifest with a malformed file")
    fault = path_fault(path)
    if fault:
        raise InvalidManifest(f"the path {path[:200]!r} {fault}")
    if mode not in MODES or not 0 <= mtime_ns < 1 << 63:
        raise InvalidManifest(f"the mode or time of {path!r} is not one that a manifest may hold")
    if len(packed) != 32 * block_count(size_bytes):
        raise InvalidManifest(f"{path!r} is said to have {size_bytes} bytes, and its block hashes do not fit that")
    hashes = tuple(packed[i : i + 32] for i in range(0, len(packed), 32))
    return ManifestFile(path, BlockList(size_bytes, hashes), mode, mtime_ns, origin)


def _check_together(files: tuple[ManifestFile, ...]) -> None:
    if len(files) > MAX_FILES:
        raise InvalidManifest(f"{len(files)} files; at most {MAX_FILES} can travel with one job")
    if sum(file.blocks.size_bytes for file in files) > MAX_TOTAL_BYTES:
        raise InvalidManifest(f"the files take more than {MAX_TOTAL_BYTES} bytes together")
    if any(one.path >= other.path for one, other in pairwise(files)):
        raise InvalidManifest("a manifest whose files are not in order, or named twice")
    seen: dict[str, str] = {}
    for file in files:
        key = collision_key(file.path)
        if key in seen:
            raise InvalidManifest(
                f"{seen[key]!r} and {file.path!r} are the same file on systems that ignore case or accents' encoding",
                "Rename one of them.",
            )
        seen[key] = file.path
    for key, path in seen.items():
        end = key.rfind("/")
        while end > 0:
            if key[:end] in seen:
                raise InvalidManifest(f"{path!r} lies below {seen[key[:end]]!r}, which is a file")
            end = key.rfind("/", 0, end)


def root_ref(raw: bytes, blocks: BlockList) -> BlobRef:
    """The root that a job names, of an encoded manifest and its block list."""
    if blocks.size_bytes != len(raw):
        raise InvalidManifest("the block list is of another manifest")
    return BlobRef(BlobId(blocks.id), len(raw))
