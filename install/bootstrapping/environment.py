"""The virtual environment of a checkout: made once, filled by pip, refilled when its recipe changes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STAMP = "peerfarm-bootstrap.json"
"""Lies in every environment that these scripts made: only such a one is ever removed. Says what is in it."""
PIP_LINES = 12
"""So many of pip's last lines are shown when it fails."""
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Name or service not known",
    "Temporary failure in name resolution",
    "getaddrinfo failed",
    "Connection refused",
    "ProxyError",
    "SSLError",
    "CERTIFICATE_VERIFY_FAILED",
    "Could not fetch URL",
)
"""What pip prints when it cannot talk to a package registry."""


class SetupError(Exception):
    """The environment cannot be made.

    Attributes:
        hint: What the person can do about it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def say(text: str) -> None:
    """Tell the person one thing, on standard error: standard output belongs to the program that is started."""
    print(f"peerfarm: {text}", file=sys.stderr, flush=True)


def environment_path(root: Path, environ: Mapping[str, str]) -> Path:
    """Where the environment of the checkout at `root` lies: PEERFARM_VENV, else `.venv` in it."""
    return Path(environ.get("PEERFARM_VENV") or root / ".venv").expanduser().absolute()


def python_in(environment: Path, system: str = os.name) -> Path:
    """The Python of a virtual environment; `system` is spelt as in `os.name`."""
    return environment / ("Scripts/python.exe" if system == "nt" else "bin/python")


def recipe(root: Path) -> str:
    """A digest of what decides the environment's content: pyproject.toml and these scripts; nothing of the machine."""
    digest = hashlib.sha256()
    for path in (root / "pyproject.toml", *sorted((root / "install").rglob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def prepare(root: Path, environment: Path, extra: str) -> Path:
    """Give the Python of an environment that has the checkout and its packages, making what is missing.

    Args:
        root: The checkout; installed in place, so that edits are seen at once.
        environment: Where the environment lies or shall lie.
        extra: Name of the optional dependencies wanted besides the core's; empty for none.

    Raises:
        SetupError: With what failed and what to do.
    """
    python = ready_environment(environment)
    stamp = _read_stamp(environment)
    content = {"recipe": recipe(root), "root": str(root)}
    if content.items() <= stamp.items() and stamp.get("extra") in {extra, "dev"}:
        return python
    say(f"installing peerfarm{f' with [{extra}]' if extra else ''} and its packages; the first time takes a while")
    install_with_pip(python, ("--editable", f"{root}[{extra}]" if extra else str(root)), root)
    _write_stamp(environment, stamp | content | {"extra": extra})
    return python


def ready_environment(environment: Path) -> Path:
    """Give the Python of a virtual environment; one missing, half made, moved or of another Python is made anew.

    Raises:
        SetupError: With what failed and what to do.
    """
    python = python_in(environment)
    made = {"environment": str(environment), "python": "{}.{}".format(*sys.version_info)}
    if not (python.exists() and made.items() <= _read_stamp(environment).items()):
        say(f"making a virtual environment in {environment}")
        _make_environment(environment)
        _write_stamp(environment, made)
    return python


def _make_environment(environment: Path) -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(
                f"this Python ({sys.executable}) has no {module} module, so it cannot make a virtual environment.",
                "Get it by `sudo apt install python3-venv` on Debian and Ubuntu; elsewhere install a complete Python "
                "from python.org.",
            )
    try:
        if environment.exists() and any(environment.iterdir()):
            if not (environment / STAMP).is_file():
                raise SetupError(
                    f"{environment} was not made by this script, so it is left alone.",
                    "Set PEERFARM_VENV to a new folder, or move that one away.",
                )
            shutil.rmtree(environment)
        environment.mkdir(parents=True, exist_ok=True)
        _write_stamp(environment, {})
    except OSError as error:
        raise SetupError(
            f"cannot write in {environment}: {error.strerror}.", "Set PEERFARM_VENV to a folder that you may write in."
        ) from error
    made = _run((sys.executable, "-m", "venv", str(environment)), None)
    if made.returncode != 0:
        raise SetupError(
            f"the virtual environment in {environment} could not be made:\n{_end_of(made.stdout)}",
            "On Debian and Ubuntu `sudo apt install python3-venv` often helps; else free some space, or set "
            "PEERFARM_VENV to another folder.",
        )


def install_with_pip(python: Path, what: Sequence[str], folder: Path) -> None:
    """Install something into the environment of `python`; pip's output is shown only when it fails.

    Raises:
        SetupError: With pip's last lines and what to do.
    """
    pip = _run((str(python), "-m", "pip", "install", "--disable-pip-version-check", *what), folder)
    if pip.returncode != 0:
        raise SetupError(f"pip could not install the packages. It said:\n{_end_of(pip.stdout)}", pip_hint(pip.stdout))


def pip_hint(output: str) -> str:
    """What to do about a failure of pip, from what it printed."""
    if any(sign in output for sign in UNREACHABLE):
        return (
            "The package registry cannot be reached. Check the network; behind a proxy set HTTPS_PROXY, with a mirror "
            "set PIP_INDEX_URL, with no network set PIP_NO_INDEX=1 and PIP_FIND_LINKS to a folder of wheels."
        )
    if "No space left" in output:
        return "The disk is full. Free some space, or set PEERFARM_VENV to a folder on another disk."
    if "No matching distribution" in output:
        return (
            "Either the package registry in use cannot be reached, or it lacks that package for this Python and "
            "system. Check the network, PIP_INDEX_URL, PIP_NO_INDEX and PIP_FIND_LINKS, or use another Python."
        )
    return "Mend what pip names and run the same command again."


def _read_stamp(environment: Path) -> dict[str, str]:
    """What the environment was made from; empty when it is missing, half made or damaged."""
    try:
        stamp = json.loads((environment / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(environment: Path, stamp: Mapping[str, str]) -> None:
    (environment / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def _run(argv: Sequence[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )


def _end_of(output: str) -> str:
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in lines[-PIP_LINES:])
