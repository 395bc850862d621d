"""The file that tells plug-ins where the local socket listens: written by the node, readable by its user alone."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from peerfarm.errors import ConfigError, NotRunning, PeerfarmError

START_HINT = "Start it with `peerfarm start`."
_SIZE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class LocalFile:
    """What stands in `local.json`."""

    port: int
    """TCP port on 127.0.0.1."""
    token: str
    """Proves that a plug-in may read the user's files; new at every start of the node."""
    pid: int
    """Of the node's process."""
    protocol: int
    version: str
    """Of peerfarm."""


def write_local_file(path: Path, content: LocalFile) -> None:
    """Put the file in place in one step; it is never readable by anybody else, not even for a moment.

    Raises:
        ConfigError: The directory cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Left by a killed process that had the same pid; O_EXCL below refuses whatever somebody puts there since.
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(content), file)
            file.write("\n")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        message = f"the local socket's file {path} cannot be written: {error.strerror or error}"
        raise ConfigError(message, "Make its directory writable, or set PEERFARM_HOME to another one.") from error


def read_local_file(path: Path) -> LocalFile:
    """Where the node of this user listens.

    Raises:
        NotRunning: There is no file: the node is stopped.
        PeerfarmError: Others may read or own the file, or it is damaged; its content must not be trusted.
    """
    try:
        with open(path, "rb", opener=_open_unwaiting) as file:
            _check_private(path, os.fstat(file.fileno()))
            text = file.read(_SIZE_LIMIT)
    except FileNotFoundError:
        raise NotRunning("peerfarm is not running", START_HINT) from None
    except NotADirectoryError as error:
        message = f"{path.parent} is no directory, so no node can keep its files there"
        raise PeerfarmError(message, "Set PEERFARM_HOME (--home) to a directory.") from error
    except OSError as error:
        message = f"the local socket's file {path} cannot be read: {error.strerror or error}"
        raise PeerfarmError(message, "Run the command as the user who runs the node.") from error
    try:
        fields = json.loads(text)
        # A newer node may say more than this program knows.
        content = LocalFile(*(fields[name] for name in ("port", "token", "pid", "protocol", "version")))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _damaged(path) from None
    numbers, texts = (content.port, content.pid, content.protocol), (content.token, content.version)
    is_typed = all(type(value) is int for value in numbers) and all(type(value) is str for value in texts)
    if not (is_typed and 0 < content.port < 65536):
        raise _damaged(path)
    return content


def remove_local_file(path: Path, token: str) -> None:
    """Remove the file if it still holds `token`; the file of a node started since stays."""
    with contextlib.suppress(OSError, PeerfarmError):
        if read_local_file(path).token == token:
            path.unlink()


def _open_unwaiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe of that name must not hold up every command


def _check_private(path: Path, found: os.stat_result) -> None:
    if os.name == "nt":
        return  # the user's profile directory is private by its access list; mode bits say nothing there
    if found.st_uid != os.getuid():
        raise PeerfarmError(f"{path} belongs to another user", "Remove it, or set PEERFARM_HOME to your own directory.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        hint = f"Run `chmod 600 {path}` and restart the node: whoever read it could submit jobs as you."
        raise PeerfarmError(f"{path} can be read or written by other users", hint)


def _damaged(path: Path) -> PeerfarmError:
    return PeerfarmError(f"{path} is damaged", "Stop the node, remove the file, and start the node again.")
