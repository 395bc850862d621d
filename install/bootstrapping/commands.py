"""What each command of bootstrap.py does, once the Python is known to be new enough."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrapping.child import run_child
from bootstrapping.environment import SetupError, environment_path, prepare, say
from bootstrapping.stages import run_all_stages
from bootstrapping.user_install import install_for_user

ROOT = Path(__file__).resolve().parents[2]
WITH_PREVIEW = "--preview"
COMMANDS = ("demo", "run", "install", "test", "simulate", "bench")
USAGE_ERROR = 2
SETUP_FAILED = 1
INTERRUPTED = 130


def carry_out(arguments: Sequence[str], usage: str) -> int:
    """Run one command; gives its exit code: the child's own, 1 when the set-up failed, 2 for a wrong call."""
    command, *rest = arguments or ("",)
    if command in {"-h", "--help", "help"}:
        print(usage, end="", flush=True)
        return 0
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1)
        if command:
            say(f"there is no command {command!r}" + (f"; did you mean {near[0]!r}?" if near else "."))
        print(usage, end="", file=sys.stderr, flush=True)
        return USAGE_ERROR
    try:
        return _start(command, rest, os.environ)
    except SetupError as error:
        say(f"{error}\n{error.hint}".rstrip())
        return SETUP_FAILED
    except KeyboardInterrupt:
        say("stopped.")
        return INTERRUPTED


def _start(command: str, rest: Sequence[str], environ: Mapping[str, str]) -> int:
    if not (ROOT / "pyproject.toml").is_file():
        raise SetupError(f"{ROOT} is not a checkout of peerfarm.", "Run install/bootstrap.py of a complete checkout.")
    if command == "install":
        odd = [word for word in rest if word != WITH_PREVIEW]
        if odd:
            raise SetupError(f"install takes {WITH_PREVIEW} alone, not {odd[0]}.", "Leave it out.")
        return install_for_user(ROOT, environ, "preview" if rest else "")
    extra = "" if command in {"demo", "run"} else "dev"
    python = prepare(ROOT, environment_path(ROOT, environ), extra)
    match command:
        case "test":
            return run_all_stages(ROOT, python, rest, environ)
        case "simulate":
            return run_child((str(python), str(_needed("tests/simulation/run.py")), *rest), ROOT, environ)
        case "bench":
            return run_child((str(python), str(_needed("tests/benchmarks/run.py")), *rest), ROOT, environ)
        case "demo":
            return run_child((str(python), "-m", "peerfarm", "demo", *rest), None, environ)
        case _:
            return run_child((str(python), "-m", "peerfarm", *rest), None, environ)


def _needed(name: str) -> Path:
    path = ROOT / name
    if not path.is_file():
        raise SetupError(f"{name} is missing, so this checkout is incomplete.", "Fetch the whole repository again.")
    return path
