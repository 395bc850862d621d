"""What passes between the node's brain and its files: blobs to fetch, scenes to pack, and how that ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from peerfarm.model.blob import BlobRef
from peerfarm.model.ids import JobId, NodeId


@dataclass(frozen=True, slots=True)
class FetchOrder:
    """Bring blobs into this node's store, from whoever holds them."""

    key: str
    """Names the order: `scene/JOB`, `keep/JOB/ATTEMPT`, `result/JOB/ATTEMPT`, `again/JOB/ATTEMPT`; a second order of
    the same key replaces the first."""
    refs: tuple[BlobRef, ...]
    is_manifest: bool = False
    """The one blob in `refs` is a manifest: fetch it, then every file that it names."""
    holders: tuple[NodeId, ...] = ()
    """Who is expected to hold them; others are asked as well."""
    pin: str = ""
    """Kept from eviction under this key from the beginning; empty for not at all."""


@dataclass(frozen=True, slots=True)
class FetchProgressed:
    """How far a fetch is; sent at most a few times a second."""

    key: str
    done_bytes: int
    total_bytes: int
    rate_bytes_s: float


@dataclass(frozen=True, slots=True)
class FetchEnded:
    """A fetch is over: everything is here, verified and durable, or it never will be by this order."""

    key: str
    error: str = ""
    """A sentence; empty when everything is here."""
    lacking: tuple[NodeId, ...] = ()
    """Who answered that it holds nothing of what is missing."""
    is_disk_full: bool = False
    is_disk_error: bool = False
    """This node's own disk refused, for want of room or otherwise."""
    is_missing: bool = False
    """Nobody who can be reached holds what is missing."""
    is_unusable: bool = False
    """The manifest is forged or broken, or names files that this system cannot hold: here it will never be of use."""


@dataclass(frozen=True, slots=True)
class StepFiles:
    """The part of a step that tells which files it needs."""

    step_name: str
    app: str
    params: Mapping[str, Any]
    version: str = ""


@dataclass(frozen=True, slots=True)
class PackOrder:
    """Find all files that a job needs, put them into the store and make the manifest."""

    request: str
    job: JobId
    """Whose pin the files get: `scene/JOB`."""
    steps: tuple[StepFiles, ...]
    outputs: tuple[tuple[str, tuple[str, ...]], ...]
    """(output directory, names of frames) that will be written, to see what stands there already; names are cut to
    the first 100 000 of a step."""
    is_overwriting: bool = False
    may_miss_files: bool = False
    """`--allow-missing`."""
    files: tuple[str, ...] = ()
    """Further files that the submitting application named; absolute paths on this machine."""


@dataclass(frozen=True, slots=True)
class PackProgressed:
    """How far packing is."""

    request: str
    text: str
    """What is being done, for people: `looking into scene.blend`, `hashing`."""
    done_bytes: int = 0
    total_bytes: int = 0
    done_files: int = 0
    total_files: int = 0
    rate_bytes_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Packed:
    """A pack order ended."""

    request: str
    root: BlobRef | None
    """The manifest; None when it failed, or when the job needs no files."""
    warnings: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StoreTold:
    """How full this node's store is, told now and then."""

    used_bytes: int
    pinned_bytes: int
    quota_bytes: int
