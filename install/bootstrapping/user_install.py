"""`bootstrap.py install`: a peerfarm command in the person's account that outlives the checkout."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bootstrapping.environment import SetupError, install_with_pip, ready_environment, say


def install_for_user(root: Path, environ: Mapping[str, str], extra: str = "") -> int:
    """Install the checkout into the person's data folder and say how to call it; gives the exit code.

    Args:
        root: The checkout.
        environ: Says where the person's data folder is.
        extra: Name of the optional dependencies wanted as well; what an earlier installation brought stays.

    Raises:
        SetupError: With what failed and what to do.
    """
    environment = data_folder(sys.platform, environ) / "venv"
    python = ready_environment(environment)
    say("installing peerfarm and its packages")
    install_with_pip(python, ("--upgrade", wanted(root, extra)), root)
    command = environment / "Scripts" / "peerfarm.exe"
    if os.name != "nt":
        command = Path.home() / ".local" / "bin" / "peerfarm"
        link(command, environment / "bin" / "peerfarm")
    say(f"installed. Call it by: {call_of(command, environ.get('PATH', ''))}")
    return 0


def wanted(root: Path, extra: str) -> str:
    """What pip is asked for: the checkout, with one of its extras where one is named."""
    return f"{root}[{extra}]" if extra else str(root)


def data_folder(system: str, environ: Mapping[str, str]) -> Path:
    """The person's folder for peerfarm's data, as platformdirs names it; `system` is spelt as in `sys.platform`."""
    if system == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "peerfarm" / "peerfarm"
    if system == "darwin":
        return Path.home() / "Library" / "Application Support" / "peerfarm"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "peerfarm"


def link(command: Path, target: Path) -> None:
    """Make `command` a link to `target`; a login service starts `command`, which no upgrade moves.

    Raises:
        SetupError: When something else already has that name, or the folder refuses.
    """
    try:
        if command.is_symlink():
            command.unlink()
        elif command.exists():
            raise SetupError(f"{command} exists and is not ours.", f"Move it away, or call {target} instead.")
        command.parent.mkdir(parents=True, exist_ok=True)
        command.symlink_to(target)
    except OSError as error:
        raise SetupError(f"cannot write {command}: {error.strerror}.", f"Call {target} instead.") from error


def call_of(command: Path, path: str) -> str:
    """How to call the command in a shell: by name when it is the one that PATH finds, else in full."""
    found = shutil.which(command.name, path=path)
    return command.stem if found and Path(found) == command else str(command)
