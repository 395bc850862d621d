"""`peerfarm start` and `peerfarm stop`: the node as a process of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import seconds
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.farm import joining_words
from peerfarm.cli.membership import (
    JOIN_VARIABLE,
    join_with,
    joined_words,
    note_missing_roots,
    take_join_string,
)
from peerfarm.cli.place import absolute, local_file
from peerfarm.cli.screen import Screen
from peerfarm.config.settings import Home, Settings
from peerfarm.errors import NoAnswer, NotRunning, PeerfarmError
from peerfarm.gateway.client import LocalClient
from peerfarm.gateway.localfile import read_local_file

START_LIMIT_S = 15.0
STOP_LIMIT_S = 30.0
_LOOK_EVERY_S = 0.05
_LAST_LINES = 12


def add_start(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm start`."""
    parser.add_argument("--foreground", action="store_true", help="stay in this terminal until stopped")


def run_start(args: argparse.Namespace, screen: Screen) -> int:
    """Start the node, in this process or as one of its own; let it join where the environment says so."""
    string = take_join_string()
    if args.foreground:
        if string:
            threading.Thread(target=_join_soon, args=(string, screen), name="peerfarm-join", daemon=True).start()
        return _run_node()
    hello, is_new = ensure_node()
    if not screen.is_json:
        words = "started" if is_new else "is running already"
        screen.line(f"{text.clean(hello['name'])} {words} ({hello['node']})")
    joined = join_with(string) if string and not hello.get("farm") else None
    if screen.is_json:
        screen.data({**hello, **(joined or {}), "started": is_new})
    elif joined:
        screen.line(joined_words(joined))
        note_missing_roots(screen)
    elif not hello.get("farm") and (joining := _joining()):
        screen.note(f"It {joining_words(joining)}.")
    elif not hello.get("farm"):
        screen.note("It belongs to no farm yet: `peerfarm init NAME` creates one, `peerfarm join STRING` joins one.")
    return ExitCode.OK


def _joining() -> dict[str, Any] | None:
    with LocalClient(local_file()) as client:
        joining: dict[str, Any] | None = client.call("status").get("joining")
        return joining


def _join_soon(string: str, screen: Screen) -> None:
    """Beside a node that starts in this process: once it answers, let it join unless it has a farm."""
    deadline_s = time.monotonic() + START_LIMIT_S
    while True:
        try:
            with LocalClient(local_file(), timeout_s=5.0) as client:
                has_farm = bool(client.hello.get("farm"))
            if not has_farm:
                screen.note(joined_words(join_with(string)))
        except NotRunning as error:
            if time.monotonic() > deadline_s:
                screen.error(error)
                return
        except PeerfarmError as error:
            screen.error(error)
            return
        else:
            return
        time.sleep(_LOOK_EVERY_S)


def add_stop(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm stop`."""
    parser.add_argument(
        "--timeout", type=seconds, default=STOP_LIMIT_S, metavar="S", help="seconds to wait for its end"
    )


def run_stop(args: argparse.Namespace, screen: Screen) -> int:
    """Ask the node to stop, and wait until it has."""
    deadline_s = time.monotonic() + args.timeout
    pid = read_local_file(local_file()).pid
    with LocalClient(local_file()) as client:
        answer = client.call("stop")
        try:
            while (remaining_s := deadline_s - time.monotonic()) > 0:
                client.next_event(remaining_s)
        except NotRunning:
            pass  # the node has closed its local socket, which it does last
        else:
            raise NoAnswer(f"the node did not stop within {args.timeout:g} s", "Its log says what it waits for.")
    while _is_process(pid) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    if screen.is_json:
        screen.data(answer)
    else:
        screen.line("peerfarm stopped")
    return ExitCode.OK


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


def _run_node() -> int:
    home, settings = _settings()
    from peerfarm.daemon.main import run  # noqa: PLC0415 - a node is heavy, and no other command needs it

    return run(settings, home)


def _settings() -> tuple[Home, Settings]:
    from peerfarm.config import find_home, load_settings  # noqa: PLC0415 - only a node needs its settings

    home = find_home(os.environ)
    return home, load_settings(home.config / "peerfarm.yaml", os.environ)


def _start_node() -> dict[str, Any]:
    home, _ = _settings()  # so that a mistake in the settings is told here, not in a log
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
        time.sleep(_LOOK_EVERY_S)


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


def _is_process(pid: int) -> bool:
    if os.name == "nt":
        return False  # os.kill would end the process there
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


# DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP: the node outlives the console window that started it.
_DETACHED = 0x00000008 | 0x00000200 if os.name == "nt" else 0
