"""Commands that decide who belongs to the farm: init, invite, join, remove."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.arguments import WrongUsage
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.place import JOIN_VARIABLE, absolute, local_file
from peerfarm.cli.screen import Screen
from peerfarm.errors import PeerfarmError, RequestRefused
from peerfarm.gateway.client import LocalClient

JOIN_LIMIT_S = 60.0
"""Joining dials another machine and waits until the farm's state has come."""


def add_init(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm init`."""
    parser.add_argument("name", metavar="NAME", help="what people call the farm")
    _add_root(parser)


def run_init(args: argparse.Namespace, screen: Screen) -> int:
    """Create a farm; starts the node first where it is not running."""
    _make_root(args)
    _start_first(screen)
    answer = _ask("init", {"name": args.name, **_root(args)})
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    farm = answer["farm"]
    screen.line(f"created the farm {text.clean(farm['name'])} ({farm['id']}); this machine is its first member")
    screen.note("`peerfarm invite` prints what another machine needs to join.")
    note_missing_roots(screen)
    return ExitCode.OK


def add_invite(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm invite`: none of its own."""
    del parser


def run_invite(_: argparse.Namespace, screen: Screen) -> int:
    """Print a join string, alone on stdout so that it can be piped."""
    answer = _ask("invite")
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    screen.line(answer["join"])
    lasts = text.duration(answer["expires_s"])
    screen.note(
        f"On the other machine: `peerfarm join` and this string, within {lasts}. It works once; keep it secret."
    )
    return ExitCode.OK


def add_join(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm join`."""
    parser.add_argument(
        "join",
        metavar="STRING",
        nargs="?",
        default="",
        help=f"what `peerfarm invite` printed on a member's machine; else the variable {JOIN_VARIABLE}, "
        "which other users of this machine cannot see",
    )
    _add_root(parser)


def run_join(args: argparse.Namespace, screen: Screen) -> int:
    """Join a farm; starts the node first where it is not running."""
    string = args.join or take_join_string()
    if not string:
        hint = (
            f"`peerfarm invite` on a machine of the farm prints it. It may also stand in the variable {JOIN_VARIABLE}."
        )
        raise WrongUsage("the join string is missing", hint)
    _check_root(args)
    _start_first(screen)
    answer = join_with(string, **_root(args))
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    screen.line(joined_words(answer))
    note_missing_roots(screen)
    return ExitCode.OK


def take_join_string() -> str:
    """The join string in the environment, for once: what this process starts does not inherit it. Empty for none."""
    return os.environ.pop(JOIN_VARIABLE, "").strip()


def join_with(string: str, **root: str) -> dict[str, Any]:
    """Let the running node join; the answer of the method `join`."""
    return _ask("join", {"join": string, **root}, JOIN_LIMIT_S)


def joined_words(answer: dict[str, Any]) -> str:
    """What to tell people of that answer."""
    farm = answer["farm"]
    name = farm["name"] if isinstance(farm, dict) else farm
    return f"joined the farm {text.clean(name)}; it has {text.count(answer['members'], 'member')}"


def add_remove(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm remove`."""
    parser.add_argument("node", metavar="NODE", help="name or id of the node; its key can never join again")
    parser.add_argument("--this-machine", action="store_true", help="needed to remove this very node")


def run_remove(args: argparse.Namespace, screen: Screen) -> int:
    """Remove a member from the farm."""
    with LocalClient(local_file()) as client:
        if args.node in {client.hello["node"], client.hello["name"]} and not args.this_machine:
            message = f"{args.node} is the node of this machine: once removed, it can never join again with its key"
            raise RequestRefused(message, "`peerfarm stop` ends it for now. Say --this-machine to remove it for ever.")
        answer = client.call("remove", node=args.node)
    if screen.is_json:
        screen.data(answer)
    else:
        screen.line(f"removed {text.clean(answer['node'])} from the farm")
    return ExitCode.OK


def _ask(method: str, params: dict[str, Any] | None = None, timeout_s: float = 10.0) -> dict[str, Any]:
    with LocalClient(local_file(), timeout_s) as client:
        return client.call(method, **(params or {}))


def _start_first(screen: Screen) -> None:
    from peerfarm.cli.starting import ensure_node  # noqa: PLC0415 - `status` needs no process

    hello, is_new = ensure_node()
    if is_new:
        screen.note(f"started the node {text.clean(hello['name'])}")


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="DIR",
        default="",
        help="a directory of shared storage where jobs from other members may read scenes and write frames on this "
        "machine; jobs whose files travel need none",
    )


def _make_root(args: argparse.Namespace) -> None:
    """The farm's first machine may make the directory; on the others it must be the same one, so they do not."""
    if args.root:
        try:
            Path(args.root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PeerfarmError(f"{args.root} cannot be made: {error.strerror}", "Choose another --root.") from error


def _check_root(args: argparse.Namespace) -> None:
    if args.root and not Path(args.root).is_dir():
        raise PeerfarmError(
            f"there is no directory {args.root} on this machine",
            "It must be the storage that the farm's machines share: mount it, then join.",
        )


def _root(args: argparse.Namespace) -> dict[str, str]:
    return {"root": absolute(args.root)} if args.root else {}


def note_missing_roots(screen: Screen) -> None:
    """Say what this machine does and does not while no directory is open to jobs."""
    roots = _ask("config")["settings"]["roots"]["value"]
    if not roots:
        screen.note(
            "Jobs whose files travel can be submitted and rendered here now. Jobs on shared storage need its "
            "directories under `shared` and `roots` in peerfarm.yaml; then start the node again."
        )
