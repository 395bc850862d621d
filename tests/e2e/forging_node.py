"""A member that submits what it likes in place of a job's list of files; else a node as any.

Run as a program in place of `peerfarm start --foreground`. While FORGED lies below PEERFARM_HOME, its bytes are the
list of every job that is submitted here; the file SIZE beside it holds the size that the job says the list has.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from peerfarm.cli.main import main
from peerfarm.daemon import packing
from peerfarm.store.blobs import Packed, pack

FORGED, SIZE = "forged", "size"


def forge(*arguments: Any) -> Packed:
    """Pack, and name another list of files than the one that came of it."""
    honest = pack(*arguments)
    home = Path(os.environ["PEERFARM_HOME"])
    if not (home / FORGED).exists():
        return honest
    store, pin = arguments[3], arguments[7]
    root, _ = store.put_bytes((home / FORGED).read_bytes(), pin)
    return honest._replace(root=replace(root, size_bytes=int((home / SIZE).read_text())))


if __name__ == "__main__":
    packing.pack = forge
    sys.exit(main(["start", "--foreground"]))
