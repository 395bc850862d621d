"""What this machine is and how busy it is, as far as the system tells."""

from __future__ import annotations

import getpass
import os
import socket
import sys


def host_name() -> str:
    """The system's name, for settings that give none."""
    return socket.gethostname().split(".")[0][:100] or "node"


def user_name() -> str:
    """Who runs this process; empty where the system does not tell."""
    try:
        return getpass.getuser()[:100]
    except (OSError, KeyError, ImportError):
        return ""


def core_count() -> int:
    """Processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_mb() -> int:
    """Physical memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    except (AttributeError, ValueError, OSError):
        return 0


def load_percent(cores: int) -> int:
    """Runnable processes over the last minute, as percent of all cores; 0 where the system does not tell."""
    try:
        return int(os.getloadavg()[0] / cores * 100)
    except (AttributeError, OSError):
        return 0
