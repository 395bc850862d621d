"""The examples of plugins/README.md, spoken to a real node line by line."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from shared_parts import PLUGINS, RealFarm

ANY = "…"


def examples() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    blocks = re.findall(r"```\n(.*?)```", (PLUGINS / "README.md").read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    asked = [json.loads(line[2:]) for line in lines if line.startswith("> ")]
    told = [json.loads(line[2:]) for line in lines if line.startswith("< ")]
    return list(zip(asked, told, strict=True))


def differences(wanted: Any, got: Any, place: str = "") -> list[str]:
    if wanted == ANY:
        return [] if isinstance(got, str) and got else [f"{place}: {got!r} is no text"]
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return [f"{place}: {got!r}"]
        missing = [f"{place}.{name} is missing" for name in wanted if name not in got]
        return missing + [
            said for name in wanted if name in got for said in differences(wanted[name], got[name], f"{place}.{name}")
        ]
    if isinstance(wanted, list) and wanted:
        return differences(wanted[0], got[0], f"{place}[0]") if got else [f"{place} is empty"]
    return [] if wanted == got else [f"{place}: {got!r} instead of {wanted!r}"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_example_of_the_readme_is_what_a_node_answers(tmp_path: Path) -> None:
    with closing(RealFarm(tmp_path)) as farm:
        ada = farm.add("ada")
        farm.start()
        place = json.loads(ada.home.local.read_text())
        link = socket.create_connection(("127.0.0.1", place["port"]), timeout=30)
        with link, link.makefile("rb") as lines:
            for asked, wanted in examples():
                if asked["method"] == "hello":
                    asked["params"].update(token=place["token"], pid=os.getpid())
                if asked["method"] == "submit":
                    asked["params"]["job"]["steps"][0]["output"]["dir"] = str(farm.output)
                if asked["method"] == "thumbnail":
                    farm.wait_published("sea", ada)
                link.sendall(json.dumps(asked).encode() + b"\n")
                answer = json.loads(lines.readline())
                while "id" not in answer:
                    answer = json.loads(lines.readline())
                assert differences(wanted, answer) == [], asked["method"]
