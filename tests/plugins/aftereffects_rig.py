"""The After Effects panel, run by Node in the language of ExtendScript with a stand-in for After Effects around it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

for _place in ("e2e", "integration"):
    if (_folder := str(Path(__file__).resolve().parents[1] / _place)) not in sys.path:
        sys.path.append(_folder)

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugins" / "aftereffects"
STAGE = Path(__file__).with_name("aftereffects")
AERENDER = Path(__file__).with_name("fakes") / "aerender"
LIMIT_S = 60.0
TURN_LIMIT_S = 2.0
"""After Effects may stand still so long at most in one turn of the timer or after one click, if the node is silent."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one click or one turn of the timer took."""

    opened: int
    """Connections."""
    requests: int
    waited_s: float
    """Waits for answers that never came, as the panel would have them in After Effects."""


class AfterEffects:
    """An After Effects with the panel open.

    Args:
        home: PEERFARM_HOME of the node that the panel finds.
        project: As `application.cjs` takes it; None for none.
        hasty: So many times shorter are the waits for what never comes; costs are told in full.
        more: `confirm`, `networkAllowed`, `preferences`, `docked`, `version`, `missingFonts`.
    """

    def __init__(self, home: Path, project: dict[str, Any] | None, *, hasty: int = 1, **more: Any) -> None:
        node = shutil.which("node") or shutil.which("nodejs")
        assert node, "Node.js runs the panel in these tests: install the package nodejs"
        self._process = subprocess.Popen(
            [node, str(STAGE / "stage.cjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.asked: list[str] = []
        """Questions and messages that the artist saw, since the beginning."""
        self.folders: list[str] = []
        """That were opened for her."""
        self.commands: list[int] = []
        """Of After Effects' menus that the panel called."""
        self.cost = Cost(0, 0, 0.0)
        """Of the last deed."""
        environment = {"PEERFARM_HOME": str(home)}
        self.temporary = home / "temporary"
        """After Effects' folder for temporary files."""
        self.temporary.mkdir(exist_ok=True)
        more |= {"environment": environment, "hasty": hasty, "temporary": str(self.temporary)}
        self.do("build", script=str(PLUGIN / "peerfarm.jsx"), project=project, **more)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def do(self, deed: str, **arguments: Any) -> Any:
        """One deed; nothing that the panel does may throw into After Effects, or make it wait too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"deed": deed, **arguments}) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        assert told["thrown"] == ""
        self.asked += told["asked"]
        self.folders += told["opened"]
        self.commands += told["commands"]
        self.cost = Cost(**told["cost"])
        self.due = told["due"]
        self.windows = told["windows"]
        self.saves = told["saves"]
        self.tree: dict[str, Any] = told["widgets"]
        assert self.cost.waited_s <= TURN_LIMIT_S
        return told.get("value")

    # What the artist does

    def press(self, button: str) -> None:
        """A click."""
        self.do("press", button=button)

    def choose(self, row: int) -> None:
        """A click on a job of the list, from 0."""
        self.do("choose", row=row)

    def tick(self) -> None:
        """The timer's time has come."""
        self.do("tick")

    def until(self, what: str, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Let the timer run until it is so."""
        deadline_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline_s, f"{what} did not happen; the panel shows {self.text()}"
            self.tick()

    # What she sees

    def widgets(self) -> Iterator[dict[str, Any]]:
        """All, in their order."""

        def below(widget: dict[str, Any]) -> Iterator[dict[str, Any]]:
            for child in widget["children"]:
                yield child
                yield from below(child)

        yield from below(self.tree)

    def text(self) -> str:
        """All sentences."""
        return "\n".join(one["text"] for one in self.widgets() if one["type"] == "statictext" and one["text"])

    def rows(self) -> list[list[str]]:
        """Name, bar and words of each job."""
        found: list[list[str]] = next(one["rows"] for one in self.widgets() if one["type"] == "listbox")
        return found

    def button(self, text: str) -> dict[str, Any]:
        """A button by its words."""
        return next(one for one in self.widgets() if one["type"] == "button" and one["text"] == text)
