"""Starts one program and stands aside: its output, signals and exit code are the caller's."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

SIGNALLED = 128
IMPATIENT = 3
"""So many Ctrl-C end a program that does not end by itself."""


def run_child(argv: Sequence[str], folder: Path | None, environ: Mapping[str, str]) -> int:
    """Run a program to its end; gives its exit code, 128 + n when signal n ended it.

    A Ctrl-C reaches the program as well, so it is left to end in its own way; then KeyboardInterrupt is raised.
    A SIGTERM is passed on; once the program has ended, SystemExit is raised.

    Args:
        argv: The program and its arguments.
        folder: Where it starts; None for the caller's own working directory.
        environ: Its whole environment.
    """
    received: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if process and number == signal.SIGTERM:
            process.terminate()
        if process and received.count(signal.SIGINT) >= IMPATIENT:
            process.kill()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen(argv, cwd=folder, env=dict(environ))
        if signal.SIGTERM in received:
            process.terminate()
        code = process.wait()
    finally:
        for number, action in before.items():
            signal.signal(number, action)
    if signal.SIGTERM in received:
        raise SystemExit(SIGNALLED + signal.SIGTERM)
    if received:
        raise KeyboardInterrupt
    return code if code >= 0 else SIGNALLED - code
