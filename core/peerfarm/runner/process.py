"""One started program: no shell, no input, its own session, low priority, its whole family ended with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from peerfarm.errors import AppNotFound
from peerfarm.model.render import FailReason
from peerfarm.runner.environment import MARK
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.streams import Stream, open_stream

if sys.platform == "win32":
    from peerfarm.runner.trees_windows import Tree, adopt_orphans, kill_family, start_options
else:
    from peerfarm.runner.trees_posix import Tree, adopt_orphans, kill_family, start_options

__all__ = ["Process", "adopt_orphans", "ask_program", "kill_family"]

_DRAIN_S = 1.0
_LOOK_S = 0.25
"""How often a question looks whether anybody still wants the answer."""
_TOO_LONG = 7
"""errno.E2BIG"""


class Process:
    """A program that runs. Use it from one thread; only `stream.wake` is for others.

    A node that is killed cannot end its renderers. No parent-death signal is set: it follows the starting thread,
    covers the direct child alone, and needs a preexec_fn or another program in between. But the pipe breaks: whoever
    prints dies by SIGPIPE at its next line, and `clean_leftovers` of the next start ends the silent ones.
    """

    def __init__(self, argv: Sequence[str], directory: str, environment: Mapping[str, str], label: str) -> None:
        """Start it.

        Raises:
            AppNotFound: There is no such program, or it may not be run.
            AttemptError: The command line cannot be passed on.
            OSError: The system has no room for another process.
        """
        output, inlet = os.pipe()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - argv was built by an app from checked values
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=inlet,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**environment, MARK: label},
                close_fds=True,
                **start_options(),
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            os.close(output)
            if error.filename == directory:
                raise
            hint = "Correct its path in this node's settings, or install it."
            raise AppNotFound(f"the program {argv[0]} cannot be started here: {error.strerror}", hint) from error
        except (OSError, ValueError) as error:
            os.close(output)
            if isinstance(error, OSError) and error.errno != _TOO_LONG:
                raise
            message = f"the command line for {argv[0]} cannot be passed on: {error}"
            raise AttemptError(FailReason.APP_FAILED, message, "Correct the step's parameters.") from error
        finally:
            os.close(inlet)
        self.pid = self._popen.pid
        self.tree = Tree(self._popen, label)
        try:
            self.stream: Stream = open_stream(self._popen, output)
        except OSError:
            self.tree.kill()
            self._popen.wait()
            self.tree.close()
            os.close(output)
            raise

    def end_family(self, *, is_orderly: bool) -> int:
        """End whatever still runs of it; how many processes could not be ended.

        Args:
            is_orderly: It ended by itself, so that a quick look for what it left behind is enough.
        """
        is_over = is_orderly and self.stream.has_ended and self.stream.is_silent
        return self.tree.sweep() if is_over else self.tree.kill()

    def drain(self) -> bytes:
        """After the family was ended: the next of its last words; empty when no more will come."""
        give_up_s = time.monotonic() + _DRAIN_S
        while not (self.stream.is_silent and self.stream.has_ended):
            left_s = give_up_s - time.monotonic()
            if left_s <= 0:
                break
            if data := self.stream.wait(left_s):
                return data
        return b""

    def finish(self) -> int | None:
        """Collect the process and let go of everything; its exit code, None when it could not be ended."""
        code = self._popen.wait() if self.stream.has_ended else None
        self.stream.close()
        if code is not None:
            self.tree.close()
        return code


def ask_program(
    argv: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    label: str,
    *,
    limit_s: float,
    limit_bytes: int,
    is_cancelled: Callable[[], bool],
) -> tuple[int | None, str]:
    """Run a program that answers a question, and give its exit code and what it printed.

    Returns:
        None instead of an exit code when it was not done in time or was cancelled; it and its children were ended.

    Raises:
        AppNotFound: See `Process`.
    """
    process = Process(argv, directory, environment, label)
    printed = bytearray()
    give_up_s = time.monotonic() + limit_s
    try:
        while not process.stream.has_ended and time.monotonic() < give_up_s and not is_cancelled():
            data = process.stream.wait(min(_LOOK_S, give_up_s - time.monotonic()))
            printed += data[: max(0, limit_bytes - len(printed))]
        is_late = not process.stream.has_ended
        process.end_family(is_orderly=not is_late)
        while data := process.drain():
            printed += data[: max(0, limit_bytes - len(printed))]
    finally:
        code = process.finish()
    return None if is_late else code, printed.decode("utf-8", "replace")
