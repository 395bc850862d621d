"""Commands that show the farm and this node: status, nodes, apps, config."""

from __future__ import annotations

import argparse
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.filelines import fetch_words, store_words
from peerfarm.cli.place import local_file
from peerfarm.cli.screen import Screen
from peerfarm.gateway.client import LocalClient


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
    if joining := answer.get("joining"):
        screen.line(f"{name} ({node['id']}) {joining_words(joining)}")
    elif farm is None:
        screen.line(f"{name} ({node['id']}) belongs to no farm")
        screen.line("  `peerfarm init NAME` creates one, `peerfarm join STRING` joins one.")
    else:
        others = f"{answer['live']} of {text.count(answer['members'], 'member')} live"
        screen.line(f"{name} ({node['id']}) in farm {text.clean(farm['name'])}: {others}")
    if (ports := answer.get("ports", {})).get("peers"):
        screen.line(f"listens at ports {ports['peers']} (peers) and {ports['files']} (files)")
    jobs = ", ".join(f"{count} {status}" for status, count in answer["jobs"].items() if count) or "none"
    screen.line(f"jobs: {jobs}")
    if not node["render"]:
        screen.line("slots: none, this node does not render (render: false)")
    else:
        screen.line(f"slots: {_busy(node)} of {node['slots']} busy")
    for slot in answer["slots"]:
        screen.line(f"  {slot['slot']}: {_slot_words(slot)}")
    if answer.get("store"):
        screen.line(store_words(answer["store"]))
    for row in node.get("fetching", ()):
        screen.line(f"  fetching files of {text.clean(row['job_name'] or row['job'])}: {fetch_words(row)}")
    if answer["disk"] != "ok":
        screen.line(screen.styled(f"no new work, the disk refuses: {text.clean(answer['disk'])}", "red"))
    for alarm in answer["alarms"]:
        screen.line(screen.styled(f"alarm: {text.clean(alarm)}", "red"))
    return ExitCode.OK


def joining_words(joining: dict[str, Any]) -> str:
    """Whom a node is joining, as `status` tells it, for people."""
    if not joining["farm"]:
        return "is asking a farm to let it in"
    names = [text.clean(name) for name in joining["members"]]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"is joining the farm of {shown or 'others'}: it waits until one of them answers"


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
            "; ".join(f"{row['job']} {fetch_words(row)}" for row in node.get("fetching", ())) or "-",
            node["id"],
        )
        for node in answer["nodes"]
    ]
    screen.table(("NODE", "STATE", "BUSY", "APPS", "POOLS", "TASKS", "FETCHES", "ID"), rows)
    return ExitCode.OK


def _app_words(app: dict[str, Any]) -> str:
    return f"{app['app']} {app['version']}".rstrip()


def _task_words(task: dict[str, Any]) -> str:
    frames = f":{task['frames']}" if task["frames"] else ""
    return f"{task['job']}{frames} {text.percent(task['progress'])}"


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
    if not answer["apps"]:
        screen.note("Nothing was found so far. A node that has just started looks for a few seconds: ask again.")
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


def _ask(method: str) -> dict[str, Any]:
    with LocalClient(local_file()) as client:
        return client.call(method)
