"""Put the panel's parts together into `peerfarm.jsx`, the one file that After Effects loads.

`python plugins/aftereffects/assemble.py` writes it; with `--check` it only says whether it is up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = (
    *("head", "text", "json", "node", "start", "network", "project", "submit", "farm"),
    *("picture", "panel", "send", "watch", "tail"),
)
PANEL = HERE / "peerfarm.jsx"
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


def assemble() -> str:
    """The panel's whole text."""
    found = _VERSION.search((HERE.parents[1] / "core/peerfarm/__init__.py").read_text("utf-8"))
    if found is None:
        raise SystemExit("core/peerfarm/__init__.py names no version")
    parts = [(HERE / "parts" / f"{name}.jsx").read_text("utf-8").strip() for name in PARTS]
    return "\n\n".join(parts).replace("@VERSION@", found[1]) + "\n"


def main() -> int:
    """Write the panel, or say that it is out of date."""
    text = assemble()
    if "--check" in sys.argv[1:]:
        if PANEL.is_file() and PANEL.read_text("utf-8") == text:
            return 0
        sys.stderr.write("peerfarm.jsx is out of date: run python plugins/aftereffects/assemble.py\n")
        return 1
    PANEL.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
