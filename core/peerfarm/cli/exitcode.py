"""What the command's exit code means; scripts rely on it, so a number never changes its meaning."""

from __future__ import annotations

from enum import IntEnum

from peerfarm.cli.arguments import WrongUsage
from peerfarm.errors import NoAnswer, NotRunning, PeerfarmError


class ExitCode(IntEnum):
    """Exit codes of every `peerfarm` command."""

    OK = 0
    REFUSED = 1
    """The request was refused, or it failed; stderr says why and what to do."""
    USAGE = 2
    """The command line is wrong."""
    NOT_RUNNING = 3
    """No node answers on this machine."""
    JOB_FAILED = 4
    """`submit --wait` or `job --watch`: the job failed or was cancelled."""
    TIMED_OUT = 5
    """The time given with `--timeout` is over, or the node took too long to answer."""
    INTERRUPTED = 130
    """Ctrl-C; a job that was submitted goes on, a fetch is cancelled."""


def exit_code_of(error: PeerfarmError) -> ExitCode:
    """The exit code for an error that ends the command."""
    if isinstance(error, WrongUsage):
        return ExitCode.USAGE
    if isinstance(error, NotRunning):
        return ExitCode.NOT_RUNNING
    if isinstance(error, NoAnswer):
        return ExitCode.TIMED_OUT
    return ExitCode.REFUSED
