"""Reads the command line, runs one command, and turns its outcome into an exit code.

A command's module is imported only when it is used: `peerfarm status` must answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from peerfarm import __version__
from peerfarm.cli.arguments import WrongUsage, in_words, unknown_command, unknown_words
from peerfarm.cli.exitcode import ExitCode, exit_code_of
from peerfarm.cli.place import absolute
from peerfarm.cli.screen import Screen
from peerfarm.errors import PeerfarmError

Run = Callable[[argparse.Namespace, Screen], int]

COMMANDS: dict[str, tuple[str, str]] = {
    "start": ("lifecycle", "start this machine's node"),
    "stop": ("lifecycle", "stop this machine's node; its running tasks go back to the farm"),
    "status": ("farm", "what this node and its farm are doing"),
    "init": ("membership", "create a farm with this machine as its first member"),
    "invite": ("membership", "print the string with which another machine joins"),
    "join": ("membership", "join a farm with the string from `peerfarm invite`"),
    "nodes": ("farm", "list the farm's nodes"),
    "remove": ("membership", "remove a node from the farm for ever"),
    "submit": ("submit", "send a scene or a job file to the farm"),
    "jobs": ("jobs", "list jobs"),
    "job": ("jobs", "show one job and its tasks"),
    "log": ("log", "print the log of a task"),
    "fetch": ("fetch", "bring a job's frames into a folder of this machine"),
    "pause": ("control", "give out no more tasks of a job"),
    "resume": ("control", "go on with a paused job"),
    "cancel": ("control", "stop a job or some of its tasks"),
    "retry": ("control", "try failed or cancelled tasks again"),
    "priority": ("control", "set a job's priority"),
    "archive": ("control", "shrink an ended job to its summary"),
    "delete": ("control", "remove a job from the farm; its published frames stay"),
    "apps": ("farm", "list the applications found on this machine"),
    "config": ("farm", "show this node's settings"),
    "plugins": ("plugins", "install the plug-ins for Blender, Maya and After Effects"),
    "demo": ("demo", "watch a small farm on this machine render and survive a killed node"),
}
"""Command -> (module of `peerfarm.cli`, what it is for). A module has `add_COMMAND(parser)` and `run_COMMAND`."""

_EPILOG = """exit codes:
  0 done   1 refused or failed   2 wrong usage   3 the node is not running
  4 the job failed or was cancelled (submit --wait, job --watch)   5 timed out   130 interrupted

PEERFARM_HOME moves everything a node keeps to one directory; PEERFARM_JOIN holds the join string for `join` and
`start`; NO_COLOR turns colours off."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code (see `ExitCode`)."""
    arguments = _join_negative_frames(list(sys.argv[1:] if argv is None else argv))
    screen = Screen(is_json="--json" in arguments)
    try:
        args, run = _parse(arguments)
        if args.home:
            os.environ["PEERFARM_HOME"] = absolute(args.home)
        return run(args, screen)
    except SystemExit:  # argparse has printed the help or the version
        return ExitCode.OK
    except PeerfarmError as error:
        screen.error(error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        screen.note("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output went away, as in `peerfarm jobs | head`; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.REFUSED


class _Parser(argparse.ArgumentParser):
    """Its errors are ours, and point to the help of the command."""

    def error(self, message: str) -> NoReturn:
        raise WrongUsage(in_words(message), f"See `{self.prog} --help`.")


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, Run]:
    before = ["", *arguments]
    chosen = next((word for word, last in zip(arguments, before, strict=False) if _is_command(word, last)), "")
    if chosen and chosen not in COMMANDS:
        raise _with_help(unknown_command(chosen, COMMANDS), "peerfarm")
    parser = _Parser(
        prog="peerfarm",
        description="A render farm without a server: every node takes jobs, gives out work and renders.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"peerfarm {__version__}")
    _add_common(parser, is_top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run: Run | None = None
    options: list[str] = []
    for name, (_, purpose) in COMMANDS.items():
        purpose_sentence = f"{purpose[0].upper()}{purpose[1:]}."
        command = commands.add_parser(name, help=purpose, description=purpose_sentence, allow_abbrev=False)
        if name == chosen:
            run = _add_command(name, command)
        _add_common(command)
        if name == chosen:
            options = list(command._option_string_actions)  # noqa: SLF001 - argparse has no public way to ask
    args, rest = parser.parse_known_args(arguments)
    if rest:
        raise _with_help(unknown_words(rest, options), f"peerfarm {chosen}")
    assert run is not None, "argparse accepts only commands of the table, and the chosen one is its first word"
    return args, run


def _with_help(error: WrongUsage, program: str) -> WrongUsage:
    return WrongUsage(str(error), f"{error.hint} See `{program} --help`.".strip())


def _is_command(word: str, last: str) -> bool:
    return not word.startswith("-") and last != "--home"


def _add_command(name: str, parser: argparse.ArgumentParser) -> Run:
    module = importlib.import_module(f"peerfarm.cli.{COMMANDS[name][0]}")
    if name == "demo":
        # The demo runs nodes of its own and prints by itself.
        module.add_arguments(parser)
        return lambda args, _: int(module.run(args))
    add: Callable[[argparse.ArgumentParser], None] = getattr(module, f"add_{name}")
    run: Run = getattr(module, f"run_{name}")
    add(parser)
    return run


def _add_common(parser: argparse.ArgumentParser, *, is_top: bool = False) -> None:
    """The options that every command takes, before or after its name."""
    default_json, default_home = (False, "") if is_top else (argparse.SUPPRESS, argparse.SUPPRESS)
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public way to ask
    if "--json" not in known:
        parser.add_argument("--json", action="store_true", default=default_json, help="print JSON on stdout")
    if "--home" not in known:
        parser.add_argument("--home", metavar="DIR", default=default_home, help="as PEERFARM_HOME")


def _join_negative_frames(arguments: list[str]) -> list[str]:
    """Let `--frames -5--1` mean what it says; argparse would take the value for an option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in ("--frames", "--tasks") and re.match(r"-\d", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
