"""The lock on a node's home: one node at a time. It dies with its process, so no stale lock is ever left."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from peerfarm.errors import ConfigError

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 1 << 20
    # Nobody else may read a byte locked on Windows: lock one far behind the pid.

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD_BY_ANOTHER = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
"""POSIX answers the first, Windows one of the others."""


class HomeLock:
    """Held from construction until `release` or the end of the process.

    The file stays behind when the lock is gone: removing it would let a third node lock another file of that name.

    Raises:
        ConfigError: Another node holds it (its pid is named), or the file cannot be made or locked.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Python's files are not inherited by the renderers started later, so none of them holds the lock on.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise _cannot("made", path, exc) from exc
        try:
            _lock(descriptor)
        except OSError as exc:
            holder = _read_pid(descriptor)
            os.close(descriptor)
            if exc.errno not in _HELD_BY_ANOTHER:
                raise _cannot("locked", path, exc) from exc
            raise ConfigError(
                f"another node (pid {holder}) already uses this home",
                hint=f"Stop it with `peerfarm stop`, or set PEERFARM_HOME to another directory than {path.parent}.",
            ) from exc
        self._descriptor = descriptor
        _write_pid(descriptor)

    def release(self) -> None:
        """Let another node use the home; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def _cannot(what: str, path: Path, exc: OSError) -> ConfigError:
    return ConfigError(
        f"the lock file {path} cannot be {what}: {exc.strerror}",
        hint="Use a directory on this machine's own disk that your user may write: set PEERFARM_HOME.",
    )


def _read_pid(descriptor: int) -> str:
    with suppress(OSError, ValueError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        return str(int(os.read(descriptor, 20)))
    return "unknown"


def _write_pid(descriptor: int) -> None:
    # The pid only makes the other node's message better: a full disk must not keep this node from starting.
    with suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
