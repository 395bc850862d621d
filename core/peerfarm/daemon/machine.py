"""What this machine is and how busy it is, as far as the system tells."""

from __future__ import annotations

import errno
import gc
import getpass
import os
import shutil
import socket
import sys
from pathlib import Path

from peerfarm.errors import ConfigError


def host_name() -> str:
    """The system's name, for settings that give none."""
    return socket.gethostname().split(".")[0][:100] or "node"


def user_name() -> str:
    """Who runs this process; empty where the system does not tell."""
    try:
        return getpass.getuser()[:100]
    except (OSError, KeyError, ImportError):
        return ""


def calm_collector() -> None:
    """Let the garbage collector look at new objects seldom and at what was there at the start never.

    A node makes millions of values that refer to each other in trees, never in circles: reference counts free them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


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


def free_bytes(directory: Path) -> int | None:
    """Room for this account on the disk of a directory; None where the system does not tell."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None


def load_percent(cores: int) -> int:
    """Runnable processes over the last minute, as percent of all cores; 0 where the system does not tell."""
    try:
        return int(os.getloadavg()[0] / cores * 100)
    except (AttributeError, OSError):
        return 0


def check_listen(host: str, port: int, setting: str) -> None:
    """Make sure that peers could be listened to there, without doing so: that begins only once there is a farm.

    Args:
        setting: The one that names the port.

    Raises:
        ConfigError: The port is taken, or the address is not of this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as libzmq does there
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                hint = f"Set another `{setting}` in peerfarm.yaml, or 0 to let the system choose."
                raise ConfigError(f"port {port} is in use by another program", hint) from error
            hint = f"Set `listen` to an address of this machine, or 0.0.0.0 for all, and `{setting}` above 1023."
            raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}", hint) from error
