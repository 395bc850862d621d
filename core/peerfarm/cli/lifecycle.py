"""`peerfarm start` and `peerfarm stop`: the node as a process of its own."""

from __future__ import annotations

import argparse
import os
import threading
import time
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import seconds
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.farm import joining_words
from peerfarm.cli.membership import join_with, joined_words, note_missing_roots, take_join_string
from peerfarm.cli.place import local_file
from peerfarm.cli.screen import Screen
from peerfarm.cli.starting import LOOK_EVERY_S, START_LIMIT_S, ensure_node, node_settings
from peerfarm.errors import NoAnswer, NotRunning, PeerfarmError
from peerfarm.gateway.client import LocalClient
from peerfarm.gateway.localfile import read_local_file

STOP_LIMIT_S = 30.0


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
        time.sleep(LOOK_EVERY_S)


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
        time.sleep(LOOK_EVERY_S)
    if screen.is_json:
        screen.data(answer)
    else:
        screen.line("peerfarm stopped")
    return ExitCode.OK


def _run_node() -> int:
    home, settings = node_settings()
    from peerfarm.daemon.main import run  # noqa: PLC0415 - a node is heavy, and no other command needs it

    return run(settings, home)


def _is_process(pid: int) -> bool:
    if os.name == "nt":
        return False  # os.kill would end the process there
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
