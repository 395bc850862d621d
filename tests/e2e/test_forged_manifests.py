"""A member that forges the list of a job's files: no other node writes or takes what it should not, and all go on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forging_node
import msgpack
import pytest
from apart_rig import ApartFarm, printed_sums, sums_job, sums_of
from farm_rig import LIMIT_S, RealNode

from peerfarm.model.blob import MAX_BLOB_BYTES, MAX_BLOCKS
from peerfarm.model.manifest import MANIFEST_VERSION, MAX_MANIFEST_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONTENT = b"taken over"
"""Mallory's node holds a file with these bytes, so that nothing of her lists fails for want of it."""


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[ApartFarm]:
    made = ApartFarm(tmp_path)
    try:
        yield made
    finally:
        made.close()


def row(path: str, size_bytes: int = len(CONTENT), hashes: bytes = hashlib.sha256(CONTENT).digest()) -> list[Any]:
    """One file of a list."""
    return [path, size_bytes, 0o755, 0, hashes, ""]


def listing(*rows: list[Any]) -> bytes:
    """A list of files as it travels, whatever it holds."""
    packed: bytes = msgpack.packb([MANIFEST_VERSION, "/show", "linux", list(rows)])
    return packed


def forgeries(outside: Path) -> dict[bytes, tuple[str, int]]:
    """List of files -> words of the reason why it is refused, and the size that the job says it has; 0 for the true."""
    billion = 1_000_000_000
    head = msgpack.packb([MANIFEST_VERSION, "/show", "linux"])[1:]
    return {
        listing(row("../../../../taken over")): ("has an empty part, `.` or `..`", 0),
        listing(row("textures/../../../../../taken over")): ("has an empty part, `.` or `..`", 0),
        listing(row(str(outside / "taken over"))): ("is absolute", 0),
        listing(row("..\\..\\taken over")): ("holds a backslash", 0),
        listing(row("C:/taken over")): ("is absolute", 0),
        listing(row("a"), row("a/taken over")): ("which is a file", 0),
        listing(row("taken over", billion * (128 << 10))): (f"at most {MAX_BLOB_BYTES} can travel", 0),
        listing(row("taken over", MAX_BLOB_BYTES)): ("its block hashes do not fit that", 0),
        listing(row("taken over", -1)): ("which cannot be", 0),
        listing(*(row(at, MAX_BLOB_BYTES, at.encode() * 32 * MAX_BLOCKS) for at in "ab")): ("no room", 0),
        b"\x94" + head + b"\xdd" + billion.to_bytes(4): ("1000000000 files; at most", 0),
        b"\x94" + head + b"\xdd" + (2).to_bytes(4): ("cannot be read", 0),
        listing(row("x")) + b" ": ("something behind its end", 0),
        listing(row("taken over", len(CONTENT) + 1)): ("no machine that can be reached holds 1", 0),
        listing(row("y")): ("no machine that can be reached holds 1", MAX_MANIFEST_BYTES),
    }


def told_of(farm: ApartFarm, job: str, submitter: RealNode) -> str:
    """What the job's own submitter reads of it, once it failed or waits for something that may come yet."""
    view = farm.job(job, submitter)
    may_come = "no room" in view["waits"] or "no machine that can be reached" in view["waits"]
    return str(view["error"]) if view["status"] == "failed" or may_come else ""


def test_jobs_with_forged_lists_of_files_fail_with_the_reason_and_nothing_is_written_outside(farm: ApartFarm) -> None:
    ada = farm.add("ada", command=farm.sums_allowed())
    mallory = farm.add("mallory")
    mallory.program = Path(forging_node.__file__)
    farm.start()
    props = mallory.directory / "props"
    props.mkdir()
    (props / "true.png").write_bytes(CONTENT)
    lists = forgeries(farm.directory)
    forged = {}
    for raw, (words, size_bytes) in lists.items():
        (mallory.directory / forging_node.FORGED).write_bytes(raw)
        (mallory.directory / forging_node.SIZE).write_text(str(size_bytes or len(raw)))
        forged[str(mallory.call("submit", job=sums_job(props))["job"])] = words
    told = {}
    for job in forged:
        farm.wait_for(f"the end of job {job}", lambda job=job: told_of(farm, job, mallory) != "")  # type: ignore[misc]
        told[job] = told_of(farm, job, mallory)
    assert all("ada" in text for text in told.values())
    assert [(words, told[job]) for job, words in forged.items() if words not in told[job]] == []
    assert ada.call("status")["alarms"] == []
    assert [start for job in forged for start in farm.starts(job)] == []

    (mallory.directory / forging_node.FORGED).unlink()
    textures = farm.laptop / "textures"
    textures.mkdir()
    (textures / "wood.exr").write_bytes(b"wood")
    for node, folder in ((ada, textures), (mallory, props)):  # all are served on
        job = str(node.call("submit", job=sums_job(folder, workers=["ada"]))["job"])
        assert printed_sums(farm, ada, job) == sums_of(folder)
    assert [path for path in farm.directory.rglob("*") if "taken over" in path.name] == []
    assert largest(ada.home.data / "blobs") <= MAX_MANIFEST_BYTES
    farm.wait_for("two nodes that agree", lambda: farm.await_agreement(LIMIT_S)[1])


def largest(folder: Path) -> int:
    """The size of the largest file below."""
    return max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
