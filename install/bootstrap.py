"""Runs peerfarm from a fresh checkout: `python3 install/bootstrap.py demo`, and `test` to check everything.

This file must be read even by Python 3.6, so that whoever has an old one learns what to do: no newer
syntax, and nothing imported at the top that needs it. `bootstrapping/` does the work.
"""

import shutil
import sys

NEEDED = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")

USAGE = """usage: python3 install/bootstrap.py COMMAND [ARGUMENTS]

  demo [ARGS]         three nodes on this machine render a scene together while one of them is killed
  run ARGS            the peerfarm command of this checkout, e.g. `run status`
  install [--preview] put a `peerfarm` command of its own into your account; run it again to upgrade;
                      with --preview it shows EXR, TIFF and JPEG frames in panels (OpenImageIO, about 95 MB)
  test [PYTEST ARGS]  every check: style, types, layers, simulation, tests; arguments narrow the tests
  simulate [ARGS]     a simulated farm with faults, e.g. `simulate --seeds 500 --first 1`
  bench [--json]      the figures of this machine

Everything goes into .venv beside this checkout; PEERFARM_VENV names another folder.
pip's own variables (PIP_INDEX_URL, PIP_NO_INDEX, ...) and proxies (HTTPS_PROXY) are used as they are.
"""


def too_old(version: "tuple[int, ...]", newer: "list[str]") -> str:
    """What to tell whoever runs a Python of this version; empty when it is new enough.

    Args:
        version: As in `sys.version_info`.
        newer: Paths of new enough Pythons on this machine, best first.
    """
    if tuple(version[:2]) >= NEEDED:
        return ""
    needed = ".".join(str(number) for number in NEEDED)
    this = ".".join(str(number) for number in version[:3])
    lines = [f"peerfarm needs Python {needed} or newer; this is {this} ({sys.executable})."]
    if newer:
        lines.append(f"There is a newer one here; use it: {newer[0]} install/bootstrap.py ...")
    else:
        lines.append("Get it by:")
        lines.append("  Debian 12+, Ubuntu 24.04+   sudo apt install python3 python3-venv")
        lines.append("  Fedora                      sudo dnf install python3")
        lines.append("  macOS                       brew install python, or the installer from python.org")
        lines.append("  Windows                     winget install Python.Python.3.13")
    return "\n".join(lines)


def main(arguments: "list[str]") -> int:
    """Do what the command line says; gives the exit code, the child's own where one was started."""
    complaint = too_old(sys.version_info[:3], [path for path in map(shutil.which, NEWER) if path])
    if complaint:
        sys.stderr.write(complaint + "\n")
        sys.stderr.flush()
        return 2
    from bootstrapping.commands import carry_out  # noqa: PLC0415 - only a new enough Python can read it

    return carry_out(arguments, USAGE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
