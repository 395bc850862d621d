"""What the system says about running processes: parents, sessions, births, and the mark in their environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from peerfarm.runner.environment import MARK

_PS = ("/bin/ps", "-axww", "-o", "pid=,ppid=,sess=,stat=,lstart=")


@dataclass(frozen=True, slots=True)
class Entry:
    """One process."""

    pid: int
    parent: int
    session: int
    born: str
    """When it was started, in the system's own words; with the pid it names a process for ever."""
    is_zombie: bool


def boot_name() -> str:
    """Names this start of the machine, for births are counted from it; empty where they are not."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    except OSError:
        return ""


_BOOT = boot_name()


def entry_of(pid: int) -> Entry | None:
    """What is known of a process; None when there is none of that pid."""
    if sys.platform != "linux":
        return table().get(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name before it may hold spaces and brackets
    born = f"{_BOOT}:{fields[19].decode('ascii')}"
    return Entry(pid, int(fields[1]), int(fields[3]), born, fields[0] in {b"Z", b"X"})


def table() -> dict[int, Entry]:
    """Every process of this machine, or of this container."""
    if sys.platform == "linux":
        found = (entry_of(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names alone
        return {entry.pid: entry for entry in found if entry}
    listing = subprocess.run(_PS, capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603 - fixed
    entries = {}
    for line in listing.splitlines():
        pid, parent, session, state, born = line.split(None, 4)
        with suppress(ValueError):
            entries[int(pid)] = Entry(int(pid), int(parent), int(session, 16), born.strip(), state.startswith("Z"))
    return entries


def mark_of(pid: int) -> str:
    """The attempt that a process belongs to; empty when it has no mark or may not be looked into."""
    needle = f"{MARK}=".encode()
    try:
        if sys.platform == "linux":
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        else:
            command = ("/bin/ps", "-Eww", "-o", "command=", "-p", str(pid))
            variables = subprocess.run(command, capture_output=True, check=False, timeout=10).stdout.split()  # noqa: S603 - fixed
    except (OSError, subprocess.SubprocessError):
        return ""
    for variable in variables:
        if variable.startswith(needle):
            return variable[len(needle) :].decode("utf-8", "replace")
    return ""


def family(entries: dict[int, Entry], roots: Iterable[int], labels: frozenset[str]) -> list[Entry]:
    """All that belongs to some attempts: their first processes, sessions, marks, and everybody's descendants.

    Args:
        entries: From `table`.
        roots: The attempts' first processes, of which the caller is sure.
        labels: The marks.

    Returns:
        Neither this process nor what is already dead, newest pid first.
    """
    own = os.getpid()
    leaders = set(roots)
    members = {
        pid for pid, entry in entries.items() if pid in leaders or entry.session in leaders or mark_of(pid) in labels
    }
    members.discard(own)
    while True:
        more = {pid for pid, entry in entries.items() if entry.parent in members} - members - {own}
        if not more:
            break
        members |= more
    return [entries[pid] for pid in sorted(members, reverse=True) if not entries[pid].is_zombie]


def orphans() -> list[int] | None:
    """The children that this process took over because their own parents died; None where that is not known.

    Linux gives a subreaper's new children to its main thread. Children that the main thread itself started are
    among them. A kernel without CONFIG_PROC_CHILDREN has no such file.
    """
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children", "rb", buffering=0) as file:  # noqa: PTH123 - once for each task
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return None
