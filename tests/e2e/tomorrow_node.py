"""A node of a later release, which speaks the next version of the protocol; else a node as any.

Run as a program in place of `peerfarm start --foreground`.
"""

from __future__ import annotations

import sys

from peerfarm.cli.main import main
from peerfarm.daemon import main as daemon
from peerfarm.protocol.messages import PROTOCOL_VERSION

NEXT = PROTOCOL_VERSION + 1

if __name__ == "__main__":
    assert daemon, "it brings all modules of a node"
    for module in [module for name, module in sys.modules.items() if name.startswith("peerfarm.")]:
        if hasattr(module, "PROTOCOL_VERSION"):
            module.PROTOCOL_VERSION = NEXT  # type: ignore[attr-defined] # each imported it under this name
    sys.exit(main(["start", "--foreground"]))
