"""A node that exports its whole state whenever that has changed, as the paper's authors did; else a node as any.

Run as a program in place of `peerfarm start --foreground`. Each line of EXPORTS below PEERFARM_HOME is one state.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from peerfarm.cli.main import main
from peerfarm.config import Settings
from peerfarm.daemon import main as daemon
from peerfarm.node import Node
from peerfarm.state.entities import entities

EXPORTS = "exports.jsonl"


def read_exports(home: Path) -> dict[str, tuple[str, ...]]:
    """Every state that a node had: digest of the actions that it held -> the state as text, in order of time."""
    lines = (home / EXPORTS).read_text("utf-8").splitlines()
    return {line["vector"]: tuple(line["state"]) for line in map(json.loads, lines)}


def build_exporting(settings: Settings, public_key: str) -> Node:
    """As the daemon builds its node; the turn of the loop that changed the state ends with an export."""
    node = build(settings, public_key)
    settle = node.settle
    file = Path(os.environ["PEERFARM_HOME"], EXPORTS).open("a", encoding="utf-8")  # noqa: SIM115 - ends with the process
    last: list[Any] = [node.core.farm]

    def settle_and_export(now_s: float) -> Any:
        effects = settle(now_s)
        if node.core.farm is not last[0]:
            last[0] = node.core.farm
            state = [repr(entity) for entity in entities(node.core.farm)]
            file.write(json.dumps({"vector": node.core.book.digest().hex(), "state": state}) + "\n")
            file.flush()
        return effects

    node.settle = settle_and_export  # type: ignore[method-assign] # the loop calls it by this name
    return node


if __name__ == "__main__":
    build = daemon._build_node
    daemon._build_node = build_exporting
    sys.exit(main(["start", "--foreground"]))
