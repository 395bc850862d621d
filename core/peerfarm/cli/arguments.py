"""What is wrong with a command line, in words: numbers that are none, words that nobody knows, files that are none."""

from __future__ import annotations

import argparse
import errno
import math
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from peerfarm.errors import PeerfarmError

_REWORDED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL), r"\1 '\2' is none of \3"),
    (re.compile(r"argument (\S+): not allowed with argument (\S+)"), r"\1 does not go with \2"),
    (re.compile(r"argument (\S+): expected (?:one|at least one) argument"), r"\1 needs a value behind it"),
    (re.compile(r"the following arguments are required: (\S+)"), r"\1 is missing"),
    (re.compile(r"the following arguments are required: (.*)"), r"\1 are missing"),
    (re.compile(r"argument (.*)", re.DOTALL), r"\1"),
)
"""What argparse says, and how our users read it."""


class WrongUsage(PeerfarmError):
    """The command line cannot be read; nothing was done. Ends with `ExitCode.USAGE`."""


def whole_number(word: str) -> int:
    """A whole number, for argparse."""
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word[:60]!r} is no whole number") from None


def seconds(word: str) -> float:
    """A number of seconds, for argparse; never negative, never endless."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{word[:60]!r} is no number of seconds; write 90 or 0.5")
    return value


def in_words(message: str) -> str:
    """What argparse says, as our users read it."""
    for pattern, ours in _REWORDED:
        if found := pattern.fullmatch(message):
            return found.expand(ours)
    return message


def unknown_words(words: list[str], options: Iterable[str]) -> WrongUsage:
    """The error for what a command does not know; with the option that may be meant."""
    from peerfarm.config.nearest import nearest_name  # noqa: PLC0415 - only a mistake needs it

    option = next((word.partition("=")[0] for word in words if word.startswith("-")), "")
    if not option:
        one = f"{words[0][:60]!r} is one word too many"
        return WrongUsage(one, "Put quotes around a name or a path that holds spaces.")
    near = nearest_name(option, options)
    return WrongUsage(f"there is no option {option[:60]}", f"Did you mean {near}?" if near else "")


def unknown_command(word: str, known: Iterable[str]) -> WrongUsage:
    """The error for a command that there is not; with the one that may be meant."""
    from peerfarm.config.nearest import nearest_name  # noqa: PLC0415 - as above

    if word.lower().endswith((".blend", ".yaml", ".yml", ".json")):
        return WrongUsage(f"{word[:200]!r} is no command", f"`peerfarm submit {word[:200]}` sends it to the farm.")
    near = nearest_name(word, known)
    return WrongUsage(f"there is no command {word[:60]!r}", f"Did you mean `peerfarm {near}`?" if near else "")


def file_fault(path: str) -> str:
    """Why what lies under `path` cannot be a scene or a job file; empty when it can, and when nothing lies there.

    Only a plain file can: opening a pipe or a device would wait for ever, or never end.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode):
        return ""
    return "is a directory" if stat.S_ISDIR(mode) else "is a pipe, a socket or a device"


def read_plain(path: str, limit_bytes: int) -> bytes:
    """The first bytes of a plain file, without ever waiting for a pipe's writer.

    Raises:
        OSError: It cannot be read, or is no plain file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit_bytes)
