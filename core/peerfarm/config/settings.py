"""What a node's owner can decide, and where its files live, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SETTINGS_NAME = "peerfarm.yaml"
"""Of the settings file in `Home.config`."""


@dataclass(frozen=True, slots=True)
class CommandApp:
    """The `command` app: off until the node's owner lists the executables that it may run."""

    allow: dict[str, str] = field(default_factory=dict)
    """Name that jobs use -> absolute path of the executable."""


@dataclass(frozen=True, slots=True)
class SharedRoot:
    """A directory on storage that several machines see, perhaps under another path on each system."""

    linux: str = ""
    darwin: str = ""
    windows: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a node's owner can decide; every field but `sources` is a key of `peerfarm.yaml`."""

    name: str = ""
    """What people call this node; the system's host name when empty."""
    render: bool = True
    """False makes a central server: it keeps state and helps newcomers in, and never renders."""
    slots: int = 1
    """Concurrent renders on this node, 1 to 64."""
    pools: tuple[str, ...] = ()
    """Pools that this node's worker belongs to; a job that names a pool renders only there."""
    tags: tuple[str, ...] = ()
    """What this machine offers, in the owner's words; a job's `requires.tags` asks for them."""
    roots: tuple[str, ...] = ()
    """Directories where jobs may read and write here; empty: none, which is enough for jobs whose files travel.
    `--root` of `init` and `join` adds one."""
    listen: str = "0.0.0.0"  # noqa: S104 - bound only once the node belongs to a farm, and CURVE guards it
    """Address that peers dial; empty makes a node that only dials out."""
    port: int = 0
    """TCP port that peers dial; 0 lets the system choose, and the choice is kept."""
    advertise: tuple[str, ...] = ()
    """`host:port` addresses told to peers instead of the ones found."""
    seeds: tuple[str, ...] = ()
    """`host:port` of peers to try besides the remembered ones."""
    local_port: int = 0
    """TCP port of the local socket on 127.0.0.1; 0 lets the system choose."""
    shared: tuple[SharedRoot, ...] = ()
    """Storage that the farm's machines share; a scene below it is not copied, and its paths are translated."""
    transfer_port: int = 0
    """TCP port at which peers fetch files; 0 takes the second after the one for peers where that is free, else any,
    and the choice is kept."""
    store_gb: int = 50
    """Room for files of jobs in this node's store; what no job needs any more makes way, the least used first."""
    upload_mb_s: float = 0.0
    """Most megabytes a second that this node sends to peers that fetch files; 0 for no limit."""
    upload_busy_mb_s: float = 10.0
    """The same while somebody works at this machine; 0 for no limit."""
    nice: int = 10
    """Added niceness of renderers, 0 to 19."""
    notice_s: float = 5.0
    """Seconds between asking a renderer to end and killing it."""
    log_limit_mb: int = 16
    """Largest log of one attempt."""
    keep_logs_days: int = 30
    """How long attempts' logs stay on this machine; 0 keeps them for ever."""
    blender: tuple[str, ...] = ()
    """Executables of Blender to use besides those found; absolute paths."""
    maya: tuple[str, ...] = ()
    """The same for Maya's `Render`."""
    aftereffects: tuple[str, ...] = ()
    """The same for After Effects' `aerender`."""
    command: CommandApp = field(default_factory=CommandApp)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Key -> where its value came from, `file` or the variable's name; kept for `peerfarm config` alone."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a node's files live; `PEERFARM_HOME` moves all of it."""

    data: Path
    """Log database, keys, attempts."""
    config: Path
    """Holds `peerfarm.yaml`."""
    logs: Path
    local: Path
    """The file with the local socket's port and token, readable by the user alone."""

    @property
    def settings(self) -> Path:
        """The settings file; it need not exist."""
        return self.config / SETTINGS_NAME
