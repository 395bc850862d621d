"""Commands about the farm as a whole: status, nodes, init, invite, join, remove, apps, config."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.place import absolute, local_file
from peerfarm.cli.screen import Screen
from peerfarm.errors import PeerfarmError
from peerfarm.gateway.client import LocalClient

JOIN_LIMIT_S = 60.0
"""Joining dials another machine and waits until the farm's state has come."""


def add_status(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm status`: none of its own."""
    del parser


def run_status(_: argparse.Namespace, screen: Screen) -> int:
    """Show this node, its slots and alarms, and how many jobs there are."""
    answer = _ask("status")
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    node, farm = answer["node"], answer["farm"]
    name = screen.styled(text.clean(node["name"]), "bold")
    if farm is None:
        screen.line(f"{name} ({node['id']}) belongs to no farm")
        screen.line("  `peerfarm init NAME` creates one, `peerfarm join STRING` joins one.")
    else:
        others = f"{answer['live']} of {text.count(answer['members'], 'member')} live"
        screen.line(f"{name} ({node['id']}) in farm {text.clean(farm['name'])}: {others}")
    jobs = ", ".join(f"{count} {status}" for status, count in answer["jobs"].items() if count) or "none"
    screen.line(f"jobs: {jobs}")
    if not node["render"]:
        screen.line("slots: none, this node does not render (render: false)")
    else:
        screen.line(f"slots: {_busy(node)} of {node['slots']} busy")
    for slot in answer["slots"]:
        screen.line(f"  {slot['slot']}: {_slot_words(slot)}")
    if answer["disk"] != "ok":
        screen.line(screen.styled(f"no new work, the disk refuses: {text.clean(answer['disk'])}", "red"))
    for alarm in answer["alarms"]:
        screen.line(screen.styled(f"alarm: {text.clean(alarm)}", "red"))
    return ExitCode.OK


def _busy(node: dict[str, Any]) -> int:
    busy: int = min(node["busy"], node["slots"] or node["busy"])  # more is leased ahead and waits for a slot
    return busy


def _slot_words(slot: dict[str, Any]) -> str:
    if not slot.get("job"):
        return "idle"
    frames = f" frames {slot['frames']}" if slot["frames"] else ""
    words = f"{slot['job_name']} {slot['step']} task {slot['task']}{frames} ({slot['app']})"
    words += f" {text.percent(slot['progress'])}"
    return text.clean(f"{words} {slot['text']}".rstrip())


def add_nodes(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm nodes`: none of its own."""
    del parser


def run_nodes(_: argparse.Namespace, screen: Screen) -> int:
    """List the farm's nodes as this node sees them."""
    answer = _ask("nodes")
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    rows = [
        (
            f"{node['name']}{' *' if node['is_self'] else ''}",
            node["state"],
            f"{_busy(node)}/{node['slots']}" if node["render"] else "server",
            ", ".join(_app_words(app) for app in node["apps"]) or "-",
            ", ".join(node["pools"]) or "-",
            ", ".join(_task_words(task) for task in node["tasks"]) or "-",
            node["id"],
        )
        for node in answer["nodes"]
    ]
    screen.table(("NODE", "STATE", "BUSY", "APPS", "POOLS", "TASKS", "ID"), rows)
    return ExitCode.OK


def _app_words(app: dict[str, Any]) -> str:
    return f"{app['app']} {app['version']}".rstrip()


def _task_words(task: dict[str, Any]) -> str:
    frames = f":{task['frames']}" if task["frames"] else ""
    return f"{task['job']}{frames} {text.percent(task['progress'])}"


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
    _say_roots(args, screen)
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
    parser.add_argument("join", metavar="STRING", help="what `peerfarm invite` printed on a member's machine")
    _add_root(parser)


def run_join(args: argparse.Namespace, screen: Screen) -> int:
    """Join a farm; starts the node first where it is not running."""
    _check_root(args)
    _start_first(screen)
    answer = _ask("join", {"join": args.join, **_root(args)}, JOIN_LIMIT_S)
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    farm = answer["farm"]
    name = farm["name"] if isinstance(farm, dict) else farm
    screen.line(f"joined the farm {text.clean(name)}; it has {text.count(answer['members'], 'member')}")
    _say_roots(args, screen)
    return ExitCode.OK


def add_remove(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm remove`."""
    parser.add_argument("node", metavar="NODE", help="name or id of the node; its key can never join again")


def run_remove(args: argparse.Namespace, screen: Screen) -> int:
    """Remove a member from the farm."""
    answer = _ask("remove", {"node": args.node})
    if screen.is_json:
        screen.data(answer)
    else:
        screen.line(f"removed {text.clean(answer['node'])} from the farm")
    return ExitCode.OK


def add_apps(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm apps`: none of its own."""
    del parser


def run_apps(_: argparse.Namespace, screen: Screen) -> int:
    """List what this machine can render with."""
    answer = _ask("apps")
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    rows = [
        (app["app"], app["version"] or "-", ", ".join(app["tags"]) or "-", app["executable"] or "built in")
        for app in answer["apps"]
    ]
    screen.table(("APP", "VERSION", "TAGS", "EXECUTABLE"), rows)
    for problem in answer["problems"]:
        screen.note(f"problem: {text.clean(problem)}")
    return ExitCode.OK


def add_config(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm config`: none of its own."""
    del parser


def run_config(_: argparse.Namespace, screen: Screen) -> int:
    """Show the settings that the running node uses."""
    answer = _ask("config")
    if screen.is_json:
        screen.data(answer)
        return ExitCode.OK
    for key, value in answer["settings"].items():
        if isinstance(value, dict) and value.keys() == {"value", "source"}:
            source = "" if value["source"] == "default" else f"  # {text.clean(value['source'])}"
            screen.line(f"{key}: {text.setting(value['value'])}{screen.styled(source, 'dim') if source else ''}")
        else:
            screen.line(f"{key}: {text.setting(value)}")
    return ExitCode.OK


def _ask(method: str, params: dict[str, Any] | None = None, timeout_s: float = 10.0) -> dict[str, Any]:
    with LocalClient(local_file(), timeout_s) as client:
        return client.call(method, **(params or {}))


def _start_first(screen: Screen) -> None:
    from peerfarm.cli.lifecycle import ensure_node  # noqa: PLC0415 - `status` needs no process

    hello, is_new = ensure_node()
    if is_new:
        screen.note(f"started the node {text.clean(hello['name'])}")


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="DIR",
        default="",
        help="a directory where jobs from other members may read scenes and write frames on this machine",
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


def _say_roots(args: argparse.Namespace, screen: Screen) -> None:
    if not args.root:
        screen.note("This machine renders nothing outside `roots`; list your projects' directories in peerfarm.yaml.")
