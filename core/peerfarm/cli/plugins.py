"""`peerfarm plugins`: the plug-ins for Blender, Maya and After Effects, put where the applications find them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.place import local_file
from peerfarm.cli.pluginblender import disable, enable, is_enabled
from peerfarm.cli.pluginfiles import Record, former_places, install, source, state, uninstall
from peerfarm.cli.pluginplaces import Place, places
from peerfarm.cli.screen import Screen
from peerfarm.cli.text import count

APPS = ("blender", "maya", "aftereffects")
_NAMES = {"blender": "Blender", "maya": "Maya", "aftereffects": "After Effects"}
_STATES = {
    "none": "not installed",
    "current": "installed, up to date",
    "old": "installed in another version: run `peerfarm plugins install`",
    "changed": "there, with files that somebody changed",
}
_NEXT = {
    "blender": "In Blender: Edit > Preferences > Add-ons, tick peerfarm; then the Output tab has a panel.",
    "maya": "Restart Maya; it has a menu peerfarm.",
    "aftereffects": "Restart After Effects; the panel is in the Window menu. It needs Preferences > Scripting & "
    "Expressions > Allow Scripts to Write Files and Access Network.",
}
_ABSENT = {
    "blender": "no Blender from 3.3 on was found: put it on PATH, or start it once",
    "maya": "no Maya was found: start it once, or set MAYA_APP_DIR",
    "aftereffects": "no After Effects was found: start it once, it makes this user's own folder then (there is none "
    "for Linux). "
    "Without that folder, peerfarm.jsx can be copied by hand into Support Files/Scripts/ScriptUI Panels where After "
    "Effects is installed, for which Windows and macOS ask for administrator rights",
}
_FORMER = "the application was not found here any more: `peerfarm plugins uninstall` takes these files back"


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Options of `peerfarm plugins`."""
    parser.add_argument("deed", choices=("install", "uninstall", "status"), metavar="install|uninstall|status")
    parser.add_argument(
        "app", nargs="?", choices=(*APPS, "all"), default="all", metavar="blender|maya|aftereffects|all"
    )
    parser.add_argument("--no-enable", action="store_true", help="do not switch the add-on on in Blender")


def run_plugins(args: argparse.Namespace, screen: Screen) -> int:
    """Install, take back or show the plug-ins; needs no running node."""
    plugins = source()
    record = Record(local_file().with_name("plugins.json")).load()
    rows: list[dict[str, Any]] = []
    for app in APPS if args.app == "all" else (args.app,):
        found = places(app)
        if args.deed != "install":
            found += former_places(app, found, record)
        if not found:
            rows.append(_row(Place(app, "", Path())) | {"directory": "", "state": "absent", "note": _ABSENT[app]})
        for place in found:
            row = _row(place)
            try:
                if args.deed == "install":
                    row["note"] = _install(place, record, is_enabling=not args.no_enable)
                elif args.deed == "uninstall":
                    row["note"] = _uninstall(place, record)
                row["state"] = state(place, plugins, record)
                row["installed"] = record.versions.get(str(place.directory), "")
                row["enabled"] = _is_enabled(place, str(row["state"]))
                if args.deed == "status" and place.is_former and row["state"] != "none":
                    row["note"] = _FORMER
            except OSError as error:
                row |= {"state": "failed", "note": f"{error.filename or place.directory}: {error.strerror or error}"}
            rows.append(row)
    if screen.is_json:
        screen.data({"plugins": rows})
    else:
        for row in rows:
            _show(screen, row)
    return _exit_code(args, rows)


def _row(place: Place) -> dict[str, Any]:
    return {
        "app": place.app,
        "version": place.version,
        "program": place.program,
        "directory": str(place.directory),
        "state": "none",
        "installed": "",
        "enabled": None,
        "note": "",
    }


def _exit_code(args: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    failed = any(row["state"] == "failed" for row in rows)
    if args.deed == "install":
        found = any(row["state"] == "current" for row in rows)
        failed |= not found or any(row["state"] in {"changed", "old"} for row in rows)
    return ExitCode.REFUSED if failed else ExitCode.OK


def _show(screen: Screen, row: dict[str, Any]) -> None:
    name = f"{_NAMES[row['app']]} {row['version']}".strip()
    if row["state"] == "absent":
        screen.line(f"{name}: {row['note']}")
        return
    words = "failed" if row["state"] == "failed" else _STATES[row["state"]]
    if row["installed"] and row["state"] != "none":
        words += f", version {row['installed']}"
    if row["enabled"] is not None:
        words += ", switched on" if row["enabled"] else ", not switched on"
    screen.line(f"{name}: {words} ({row['directory']})")
    if row["note"]:
        screen.line(f"  {row['note']}")
    if row["app"] == "blender" and row["program"]:
        screen.line(f"  its program is {row['program']}")
    elif row["app"] == "blender" and not row["note"]:
        screen.line("  its settings are there, its program was not found: whether it loads the add-on is not known")


def _install(place: Place, record: Record, *, is_enabling: bool) -> str:
    kept = install(place, source(), record)
    if kept and Path(kept[0]).is_symlink():
        return f"nothing was written: {kept[0]} is a link that somebody made; remove it, then install again"
    if kept:
        return f"nothing was written: {kept[0]} is there and was changed by somebody; move it away, then install again"
    if place.app == "blender" and is_enabling and place.program:
        if enable(place.program):
            return (
                "It is switched on: the Output tab has a panel peerfarm, the Render menu has two entries. "
                "A Blender that is open now has them after its next start."
            )
        return f"It could not be switched on from here. {_NEXT['blender']}"
    return _NEXT[place.app]


def _is_enabled(place: Place, found: str) -> bool | None:
    """Whether the application loads the plug-in; None where it does so always, or cannot be asked."""
    if place.app != "blender" or not place.program or found == "none":
        return None
    return is_enabled(place.program)


def _uninstall(place: Place, record: Record) -> str:
    words = ""
    if place.app == "blender" and str(place.directory) in record.versions:
        if not place.program:
            words = " This Blender's program was not found: if its preferences list the add-on still, untick it there."
        elif not disable(place.program):
            words = " It could not be switched off: untick it in Blender's preferences, if they list it still."
    removed, kept = uninstall(place, record)
    told = f"Removed {count(len(removed), 'file')}." if removed else "There was nothing of ours."
    if kept:
        told += f" Kept, for somebody changed it: {', '.join(kept)}"
    return told + words
