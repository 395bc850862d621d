"""Where each application looks for plug-ins of this user, without administrator rights. Only looks; writes nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LEAST_BLENDER = (3, 3)
ADD_ON = "peerfarm_blender"
"""What Blender imports. Not `peerfarm`: where Blender finds that package too, it takes it for the add-on and fails."""
FORMER_ADD_ON = "peerfarm"
ASK_LIMIT_S = 30.0
"""The longest that a program may take to say its version."""
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """One installation of an application that plug-ins can be given to."""

    app: str
    """`blender`, `maya` or `aftereffects`."""
    version: str
    """As far as known: `3.4`, `2025`, `24.1`; empty when the place serves all versions."""
    directory: Path
    """Where the plug-in belongs."""
    program: str = ""
    """The application's executable, where it was found."""
    is_former: bool = False
    """The plug-in was written there once, and nobody looks there any more."""


def places(app: str, system: str | None = None, environ: Mapping[str, str] | None = None) -> list[Place]:
    """Where an application's plug-in belongs on this machine; empty when the application was not found."""
    system = system or platform.system()
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    finders = {"blender": _blender, "maya": _maya, "aftereffects": _after_effects}
    return list(finders[app](system, environ, home))


def _blender(system: str, environ: Mapping[str, str], home: Path) -> Iterator[Place]:
    """Each version that keeps settings of this user, and each that is found on PATH or where installers put it."""
    if system == "Windows":
        settings = Path(environ.get("APPDATA", home / "AppData/Roaming")) / "Blender Foundation/Blender"
        programs = [*Path(environ.get("PROGRAMFILES", "C:/Program Files")).glob("Blender Foundation/*/blender.exe")]
    elif system == "Darwin":
        settings = home / "Library/Application Support/Blender"
        shelves = (Path("/Applications"), home / "Applications")
        programs = [one for shelf in shelves for one in shelf.glob("Blender*.app/Contents/MacOS/Blender")]
    else:
        settings = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "blender"
        programs = [*Path("/opt").glob("blender*/blender")]
    if found := shutil.which("blender", path=environ.get("PATH")):
        programs.insert(0, Path(found))
    versions: dict[str, str] = {}
    for program in programs:
        if version := _version_of(program):
            versions.setdefault(version, str(program))
    if settings.is_dir():
        for folder in settings.iterdir():
            if folder.is_dir() and _VERSION.fullmatch(folder.name):
                versions.setdefault(folder.name, "")
    chosen = environ.get("BLENDER_USER_SCRIPTS")
    for version in sorted(versions, key=_numbers):
        if _numbers(version) >= LEAST_BLENDER:
            scripts = Path(chosen) if chosen else settings / version / "scripts"
            yield Place("blender", version, scripts / "addons" / ADD_ON, versions[version])


def _version_of(program: Path) -> str:
    try:
        told = subprocess.run(  # noqa: S603 - a program that was found where applications are installed
            [str(program), "--version"], capture_output=True, text=True, timeout=ASK_LIMIT_S, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    found = re.search(r"^Blender (\d+\.\d+)", told, re.MULTILINE)
    return found[1] if found else ""


def _maya(system: str, environ: Mapping[str, str], home: Path) -> Iterator[Place]:
    """One folder serves all versions: the module says where the plug-in lies.

    On Windows there may be a second one: OneDrive can take the folder of documents over.
    """
    usual = {"Windows": home / "Documents/maya", "Darwin": home / "Library/Preferences/Autodesk/maya"}
    folders = [Path(environ.get("MAYA_APP_DIR") or usual.get(system, home / "maya"))]
    if system == "Windows" and not environ.get("MAYA_APP_DIR"):
        clouds = {environ[name] for name in ("OneDrive", "OneDriveConsumer", "OneDriveCommercial") if environ.get(name)}
        folders += [Path(cloud) / "Documents/maya" for cloud in sorted(clouds)]
    there = [folder for folder in folders if folder.is_dir()]
    installed = {
        "Windows": Path(environ.get("PROGRAMFILES", "C:/Program Files")) / "Autodesk",
        "Darwin": Path("/Applications/Autodesk"),
    }.get(system, Path("/usr/autodesk"))
    if not there and (environ.get("MAYA_LOCATION") or any(installed.glob("[Mm]aya20*"))):
        there = folders[:1]
    for folder in there:
        yield Place("maya", "", folder / "modules")


def _after_effects(system: str, environ: Mapping[str, str], home: Path) -> Iterator[Place]:
    """The user's own folder of each version; it is there once After Effects has been started."""
    if system == "Windows":
        folder = Path(environ.get("APPDATA", home / "AppData/Roaming")) / "Adobe/After Effects"
    elif system == "Darwin":
        folder = home / "Library/Preferences/Adobe/After Effects"
    else:
        return
    if folder.is_dir():
        for version in sorted((one for one in folder.iterdir() if _VERSION.match(one.name)), key=_by_name):
            yield Place("aftereffects", version.name, version / "Scripts/ScriptUI Panels")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _by_name(folder: Path) -> tuple[int, ...]:
    return _numbers(folder.name)
