"""Starts the node as a process of its own that outlives the command which started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peerfarm.cli.place import JOIN_VARIABLE, absolute, local_file
from peerfarm.config.settings import Home, Settings
from peerfarm.errors import NotRunning, PeerfarmError
from peerfarm.gateway.client import LocalClient

START_LIMIT_S = 15.0
LOOK_EVERY_S = 0.05
_LAST_LINES = 12
# DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP: the node outlives the console window that started it.
_DETACHED = 0x00000008 | 0x00000200 if os.name == "nt" else 0


def ensure_node() -> tuple[dict[str, Any], bool]:
    """Make sure that the node runs; answers its hello and whether it was started now.

    Raises:
        PeerfarmError: It does not start; the message holds its last lines.
    """
    try:
        with LocalClient(local_file()) as client:
            return client.hello, False
    except NotRunning:
        return _start_node(), True
    except PeerfarmError:
        # A damaged file, or a stranger on a killed node's port: what it left must not keep the next from starting.
        if _is_in_use():
            raise
        return _start_node(), True


def _is_in_use() -> bool:
    """Whether a node runs in this user's home, though it does not answer as one."""
    from peerfarm.store import HomeLock  # noqa: PLC0415 - slow to load, and hardly ever needed

    try:
        HomeLock(node_settings()[0].data / "lock").release()
    except PeerfarmError:
        return True
    return False


def node_settings() -> tuple[Home, Settings]:
    """Where the node of this user lives and what it is set to; slow to load, so nobody else asks."""
    from peerfarm.config import find_home, load_settings  # noqa: PLC0415 - only a node needs its settings

    home = find_home(os.environ)
    return home, load_settings(home.config / "peerfarm.yaml", os.environ)


def _start_node() -> dict[str, Any]:
    home, _ = node_settings()  # so that a mistake in the settings is told here, not in a log
    output = home.logs / "start.log"
    environ = {name: value for name, value in os.environ.items() if name != JOIN_VARIABLE}
    if environ.get("PEERFARM_HOME"):
        environ["PEERFARM_HOME"] = absolute(environ["PEERFARM_HOME"])  # the node starts in another directory
    try:
        home.logs.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "peerfarm", "start", "--foreground"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=Path.home(),
                env=environ,
                start_new_session=True,
                creationflags=_DETACHED,
            )
    except OSError as error:
        place = error.filename or home.logs
        message = f"the node cannot be started, for {place} cannot be written: {error.strerror or error}"
        raise PeerfarmError(
            message, "Make it writable, or set PEERFARM_HOME (--home) to a directory that is."
        ) from error
    hello = await_hello(child, output)
    child.returncode = 0  # meant to outlive this process: Python need not warn that nobody waits for its end
    return hello


def await_hello(child: subprocess.Popen[bytes], output: Path, limit_s: float = START_LIMIT_S) -> dict[str, Any]:
    """Wait until the node answers; gives its hello.

    Args:
        child: The node's process.
        output: The file that holds what it prints.
        limit_s: Longest wait.

    Raises:
        PeerfarmError: The process ended, or did not answer in time; the message holds its last lines.
    """
    deadline_s = time.monotonic() + limit_s
    while True:
        is_over = child.poll() is not None or time.monotonic() > deadline_s
        try:
            with LocalClient(local_file(), timeout_s=5.0) as client:
                return client.hello
        except PeerfarmError as error:
            if is_over:
                raise _start_failed(child.returncode, output, limit_s, error) from error
        time.sleep(LOOK_EVERY_S)


def _start_failed(exit_code: int | None, output: Path, limit_s: float, last: PeerfarmError) -> PeerfarmError:
    try:
        lines = output.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
    except OSError:
        lines = []
    if exit_code is None:
        what = f"the node was started but did not answer within {limit_s:g} s ({last})"
    else:
        what = f"the node ended at once with exit code {exit_code}"
    said = " | ".join(line.strip() for line in lines if line.strip())
    return PeerfarmError(f"{what}: {said}" if said else what, f"Its output is in {output}.")
