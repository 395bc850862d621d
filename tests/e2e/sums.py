"""A program for jobs of tests, which tells and keeps what it sees of a folder that travelled.

`sums.py FOLDER` prints the SHA-256 and the path of every file in it; `sums.py FOLDER OUTPUT FRAMES` also writes the
bytes of all of them, in the order of their paths, as `f_####.bin` for each of the comma-separated FRAMES.
"""

import hashlib
import sys
from pathlib import Path


def main(folder: str, output: str = "", frames: str = "") -> None:
    """Look, and print or write."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    for path in files:
        name = path.relative_to(folder).as_posix()
        print(hashlib.sha256(path.read_bytes()).hexdigest(), name)  # noqa: T201 - for the job's log
    for frame in frames.split(",") if output else ():
        Path(output, f"f_{int(frame):04d}.bin").write_bytes(b"".join(path.read_bytes() for path in files))


if __name__ == "__main__":
    main(*sys.argv[1:])
