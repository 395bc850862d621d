"""Ending a process and all that descends from it, on Linux and macOS (macOS not run)."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from peerfarm.runner.processtable import Entry, entry_of, family, mark_of, orphans, table

_PR_SET_CHILD_SUBREAPER = 36
_KILL_S = 5.0
"""How long to go on killing what does not die: a process in an uninterruptible wait cannot be ended by anybody."""
_POLL_S = 0.02
_firsts: set[int] = set()
"""Pids of the living trees' first processes, of all slots."""


def adopt_orphans() -> None:
    """Let this process become the parent of its descendants whose parents die, so that it can find and reap them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_options() -> dict[str, Any]:
    """How `Popen` starts a renderer: in its own session, by vfork (no preexec_fn: it is slow and unsafe in threads)."""
    return {"start_new_session": True}


class Tree:
    """One attempt's processes. The first one is reaped last, so that its pid and session stay its own until then."""

    def __init__(self, process: subprocess.Popen[bytes], label: str) -> None:
        self._process = process
        self._label = label
        _firsts.add(process.pid)

    def settle(self, nice: int) -> str:
        """When the process has lived a moment: make it give way to the artist's programs, and say when it was born.

        Not at once, for a process that is over in milliseconds disturbs nobody. By then it may have children: the whole
        group is told, and what they start inherits it. A session of its own is also a scheduling group of its own
        where autogroup is on: inside it niceness says nothing to the rest of the desktop, the group's own does.
        """
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self._process.pid, min(19, os.nice(0) + nice))
        if nice and sys.platform == "linux":
            with suppress(OSError):
                Path(f"/proc/{self._process.pid}/autogroup").write_text(str(min(19, nice)), "ascii")
        entry = entry_of(self._process.pid)
        return entry.born if entry else ""

    def ask(self) -> None:
        """Ask the tree's session to end."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def sweep(self) -> int:
        """After the first process ended by itself: end what it left behind, if a quick look finds anything.

        Returns:
            How many processes could not be ended.
        """
        if self._process.returncode is None:
            # The unreaped first process keeps its group: this reaches whoever stayed in it, and no stranger.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        left_behind = [pid for pid in orphans() or () if pid not in _firsts and self._is_ours(pid)]
        return self.kill() if left_behind else 0

    def _is_ours(self, pid: int) -> bool:
        entry = entry_of(pid)
        if entry is None or entry.session == os.getsid(0):
            return False  # started by somebody else in this process, not by a renderer
        if entry.is_zombie:
            _reap(entry)
            return False
        return mark_of(pid) == self._label

    def kill(self) -> int:
        """End the whole tree at once.

        Returns:
            How many processes could not be ended.
        """
        return kill_family(lambda: (self._process.pid,) if self._process.returncode is None else (), {self._label})

    def close(self) -> None:
        """The first process has been collected: its pid may be anybody's from now on."""
        _firsts.discard(self._process.pid)


def kill_family(roots: Callable[[], Iterable[int]], labels: Iterable[str]) -> int:
    """Kill every process of some attempts until none is found; see `processtable.family`.

    Args:
        roots: Called for the first processes that are surely the attempts' own.
        labels: The attempts' marks.

    Returns:
        How many could not be ended.
    """
    marks = frozenset(labels)
    give_up_s = time.monotonic() + _KILL_S
    while True:
        members = family(table(), roots(), marks)
        if not members or time.monotonic() > give_up_s:
            return len(members)
        for member in members:
            _kill(member)


def _kill(member: Entry) -> None:
    """Kill exactly this process, never another one that has its pid by now, and wait a moment for its end."""
    if not hasattr(os, "pidfd_open"):
        if entry_of(member.pid) == member:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member.pid, signal.SIGKILL)
        time.sleep(_POLL_S)
        return
    try:
        handle = os.pidfd_open(member.pid)
    except OSError:
        return
    try:
        now = entry_of(member.pid)
        if now is not None and now.born == member.born:  # the handle holds the pid from here on
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], _POLL_S)
            _reap(member)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        os.close(handle)


def _reap(member: Entry) -> None:
    """Collect an orphan that we took over; a tree's first process is collected by whoever started it."""
    if member.pid not in _firsts:
        with suppress(ChildProcessError):
            os.waitpid(member.pid, os.WNOHANG)
