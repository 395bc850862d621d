"""Manifests that somebody forged, and those that somebody made."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import BlockList, blocks_of
from peerfarm.model.manifest import (
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestFile,
    decode_manifest,
    encode_manifest,
    root_ref,
)

HASH = bytes(range(32))


def row(path: str = "a.png", size: int = 5, mode: int = 0o644, mtime: int = 7, hashes: bytes = HASH) -> list[Any]:
    return [path, size, mode, mtime, hashes, ""]


def packed(*rows: list[Any], head: tuple[Any, ...] = (1, "/proj", "linux")) -> bytes:
    raw: bytes = msgpack.packb([*head, list(rows)])
    return raw


def test_a_manifest_comes_back_as_it_was_made() -> None:
    manifest = Manifest(
        "/proj",
        "linux",
        (
            ManifestFile("b/run.sh", blocks_of(b"run"), 0o755, 12),
            ManifestFile("outside/1/é.png", blocks_of(bytes(300_000)), 0o644, 1 << 60, "/other/é.png"),
            ManifestFile("z", blocks_of(b"")),
        ),
    )
    raw = encode_manifest(manifest)
    assert decode_manifest(raw) == manifest
    assert encode_manifest(manifest) == raw
    assert root_ref(raw, blocks_of(raw)) == blocks_of(raw).ref
    assert manifest.size_bytes == 300_003


@pytest.mark.parametrize(
    "raw",
    [
        packed(row("../../home/ana/.ssh/authorized_keys")),
        packed(row("/etc/passwd")),
        packed(row("C:\\windows\\system32\\a.dll")),
        packed(row("a\0.png")),
        packed(row(size=10**9 * (16 << 20))),
        packed(row(size=-1, hashes=b"")),
        packed(row(size=1 << 40)),
        packed(row(size=300_000)),
        packed(row(hashes=HASH * 2)),
        packed(row(hashes=b"")),
        packed(row(mode=0o4755)),
        packed(row(mode=0o120777)),
        packed(row(mtime=-1)),
        packed(row(mtime=1 << 63)),
        packed(row("b"), row("a")),
        packed(row("a"), row("a")),
        packed(row("A"), row("a")),
        packed(row("a"), row("a/b")),
        packed(row("A"), row("a/b/c")),
        packed([*row(), 1]),
        packed(row()[:-1]),
        packed([1, *row()[1:]]),
        packed([*row()[:5], b"bytes"]),
        packed([*row()[:2], True, *row()[3:]]),
        packed([*row()[:1], 5.0, *row()[2:]]),
        packed(head=(2, "/proj", "linux")),
        packed(head=(True, "/proj", "linux")),
        packed(head=(1.0, "/proj", "linux")),
        packed(head=(1, b"/proj", "linux")),
        packed(head=(1, "/proj", "plan9")),
        packed(head=(1, "/proj", ["linux"])),
        packed(head=(1, "/proj")),
        packed(row()) + b"\0",
        packed(row())[:-1],
        b"",
        b"\xc1",
        b"\x80",
    ],
)
def test_a_forged_manifest_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidManifest):
        decode_manifest(raw)


def test_a_billion_announced_files_or_blocks_take_no_memory() -> None:
    for raw in (
        b"\x94\x01\xa1/\xa5linux\xdd\x3b\x9a\xca\x00",  # an array of 10^9 rows
        b"\x94\x01\xa1/\xa5linux\x91\xdd\x3b\x9a\xca\x00",  # a row of 10^9 values
        b"\x94\x01\xa1/\xa5linux\x91\x96\xa1a\x05\xcd\x01\xa4\x01\xc6\xff\xff\xff\xff",  # 4 GiB of hashes
        b"\x94\x01\xa1/\xa5linux\x91\x96" + b"\x91" * 1000,  # nested
        b"\x94\x01\xa1/\xa5linux\x91\x96\xdd\x00\x00\xff\xff" + b"\x90" * 0xFFFF,  # a list instead of a path
    ):
        with pytest.raises(InvalidManifest):
            decode_manifest(raw)


def test_a_manifest_over_the_limits_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidManifest, match="at most"):
        decode_manifest(bytes(MAX_MANIFEST_BYTES + 1))
    rows = [row(f"{number:06}") for number in range(MAX_FILES + 1)]
    with pytest.raises(InvalidManifest, match=str(MAX_FILES)):
        decode_manifest(packed(*rows))
    huge = [row(f"{number:06}", 33_537_654_784, hashes=HASH * 1999) for number in range(525)]
    with pytest.raises(InvalidManifest, match="together"):
        decode_manifest(packed(*huge))


def test_what_cannot_travel_is_refused_when_it_is_made() -> None:
    one = BlockList(5, (HASH,))
    for files in (
        (ManifestFile("half\ud800", one),),
        (ManifestFile("a", one, origin="/half\ud800"),),
        (ManifestFile("a", one, mtime_ns=1 << 70),),
        (ManifestFile("a", BlockList(1 << 70, (HASH,))),),
        (ManifestFile("a", one), ManifestFile("A", one)),
    ):
        with pytest.raises(InvalidManifest):
            encode_manifest(Manifest("/proj", "linux", files))
    with pytest.raises(InvalidManifest):
        encode_manifest(Manifest("/half\ud800", "linux"))


def test_a_root_of_another_manifest_is_refused() -> None:
    with pytest.raises(InvalidManifest):
        root_ref(encode_manifest(Manifest("/proj", "linux")), blocks_of(b"another"))
