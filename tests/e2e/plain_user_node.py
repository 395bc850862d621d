"""A node that may read only what its user may, even where root runs the tests; else a node as any.

Run as a program in place of `peerfarm start --foreground`.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from peerfarm.cli.main import main

_VERSION = 0x20080522
_READING_ALL = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


def give_up_reading_all() -> None:
    """Have this process, and the threads that it starts, asked for permissions like everybody else."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("Ii", _VERSION, 0)
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held) == 0:
        words = list(struct.unpack("6I", held.raw))  # effective, permitted, inheritable; twice
        words[:3] = [word & ~_READING_ALL for word in words[:3]]
        if libc.capset(header, struct.pack("6I", *words)) == 0:
            return
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    give_up_reading_all()
    sys.exit(main(["start", "--foreground"]))
