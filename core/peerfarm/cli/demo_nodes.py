"""The demo's nodes: real ones, each a process with a home of its own, that speak over loopback.

What is rendered, shown or verified stands elsewhere; here a farm is put together, shot at, and put away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from peerfarm.config import Home, find_home
from peerfarm.errors import NotRunning, PeerfarmError
from peerfarm.gateway.client import LocalClient

NAMES = (
    "oak",
    "elm",
    "fir",
    "ash",
    "yew",
    "lime",
    "birch",
    "cedar",
    "larch",
    "maple",
    "hazel",
    "rowan",
    "alder",
    "beech",
)
SERVER = "server"
START_LIMIT_S = 60.0
"""Many nodes on a small machine take turns at starting."""
LOOK_S = 0.05
_STOP_LIMIT_S = 25.0
_END_LIMIT_S = 5.0


class FarmNode:
    """One node process; it can be asked, stopped, killed and started again on the same home."""

    def __init__(self, name: str, directory: Path, settings: dict[str, Any]) -> None:
        """Write the settings of a node that is not started yet.

        Args:
            directory: Its PEERFARM_HOME.
            settings: As in `peerfarm.yaml`, besides the name; it listens on loopback unless they say otherwise.
        """
        self.name = name
        self.home: Home = find_home({"PEERFARM_HOME": str(directory)})
        self.directory = directory
        self.output = directory / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.killed_ns: int | None = None
        """When it was killed, on the monotonic clock; None while it lives."""
        self.variables: dict[str, str] = {}
        """Of its environment, besides the ones of this process."""
        self._client: LocalClient | None = None
        self.home.config.mkdir(parents=True, exist_ok=True)
        # JSON is YAML, and needs no care about quotes.
        text = json.dumps({"name": name, "listen": "127.0.0.1", **settings}, indent=1)
        self.home.settings.write_text(text, "utf-8")

    def __str__(self) -> str:
        return self.name

    @property
    def environment(self) -> dict[str, str]:
        """Of its process and of commands that speak to it: the user's own `PEERFARM_*` must not reach it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PEERFARM_")}
        return {**kept, **self.variables, "PEERFARM_HOME": str(self.directory)}

    def start(self) -> None:
        """Start its process; `await_hello` tells when it can be asked."""
        self.killed_ns = None
        self._hang_up()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "peerfarm", "start", "--foreground"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for the demo, which stops its nodes in order
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask it something on its local socket.

        Raises:
            NotRunning: Its process is gone.
            PeerfarmError: It refuses, or does not answer in time.
        """
        if not self.is_running:
            raise NotRunning(f"{self.name} is not running", f"Its output is in {self.output}.")
        if self._client is None:
            self._client = LocalClient(self.home.local, timeout_s=20.0, client="demo")
        try:
            return self._client.call(method, **params)
        except NotRunning:
            self._hang_up()
            raise

    def await_hello(self, limit_s: float = START_LIMIT_S) -> dict[str, Any]:
        """Wait until it answers; gives its status.

        Raises:
            PeerfarmError: It ended or stayed silent; the message holds what it said last.
        """
        deadline_s = time.monotonic() + limit_s
        while True:
            try:
                return self.call("status")
            except PeerfarmError as error:
                if not self.is_running or time.monotonic() > deadline_s:
                    message = f"the node {self.name} did not start: {self.last_words() or error}"
                    raise PeerfarmError(message, f"Its output is in {self.output}.") from error
            time.sleep(LOOK_S)

    def last_words(self) -> str:
        """The end of what its process printed, on one line."""
        try:
            lines = self.output.read_text("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return " | ".join(line.strip() for line in lines[-6:] if line.strip())

    def kill(self) -> None:
        """End its process without a word, as a power cut would."""
        assert self.process is not None, "only a started node can be killed"
        self.process.kill()
        self.killed_ns = time.monotonic_ns()
        self.process.wait()
        self._hang_up()

    def clear_leftovers(self) -> int:
        """End the renderers of a node that was killed, as its next start would; gives the number of attempts."""
        from peerfarm.apps.registry import APPS  # noqa: PLC0415 - only after a kill
        from peerfarm.config import Settings  # noqa: PLC0415 - as above
        from peerfarm.runner import ProcessRunner  # noqa: PLC0415 - as above

        runner = ProcessRunner(self.home.data, Settings(), APPS, lambda _: None)
        try:
            return runner.clean_leftovers()
        finally:
            runner.close(_END_LIMIT_S)

    def ask_to_stop(self) -> None:
        """Ask it to end in order; `stop` waits for that."""
        with suppress(PeerfarmError):
            self.call("stop")
        self._hang_up()

    def stop(self, limit_s: float = _STOP_LIMIT_S) -> int | None:
        """End it in order, or by force when it takes too long; its exit code, None when it never ran."""
        if self.process is None:
            return None
        if self.is_running:
            self.ask_to_stop()
        self._hang_up()
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class Farm:
    """Several nodes that belong to one farm."""

    def __init__(self, directory: Path, roots: Sequence[Path]) -> None:
        """Begin without nodes.

        Args:
            directory: Holds the homes; must exist.
            roots: Where jobs may read and write on every node.
        """
        self.directory = directory
        self.roots = [str(root) for root in roots]
        self.nodes: list[FarmNode] = []

    def add(self, name: str, **settings: Any) -> FarmNode:
        """Make one more node, not started yet; `settings` as in `peerfarm.yaml`."""
        node = FarmNode(name, self.directory / name, {"roots": self.roots, **settings})
        self.nodes.append(node)
        return node

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start all nodes; the first founds the farm, the others join through it; wait until all see each other.

        Raises:
            PeerfarmError: A node does not start, or they do not find each other in time.
        """
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.await_hello()
        founder, *others = self.nodes
        founder.call("init", name="demo")
        say(f"{founder} founded a farm.")
        for node in others:
            self.join(node, founder)
        if others:
            say(f"{listed([node.name for node in others])} joined it, each with a join string from {founder}.")
        self.await_sight()

    def join(self, node: FarmNode, through: FarmNode) -> None:
        """Bring a started node into the farm."""
        node.call("join", join=through.call("invite")["join"])

    @property
    def living(self) -> list[FarmNode]:
        """The nodes whose processes run."""
        return [node for node in self.nodes if node.is_running]

    def await_sight(self, limit_s: float = START_LIMIT_S) -> None:
        """Wait until every living node sees every other one live.

        Raises:
            PeerfarmError: They do not find each other in time.
        """
        names = {node.name for node in self.living}

        def sees_all(node: FarmNode) -> bool:
            return names <= {row["name"] for row in node.call("nodes")["nodes"] if row["state"] == "live"}

        if not wait_until(lambda: all(sees_all(node) for node in self.living), limit_s):
            raise PeerfarmError(
                f"the nodes do not see each other after {limit_s:g} s", "Is something blocking loopback connections?"
            )

    def await_apps(self, limit_s: float = START_LIMIT_S) -> None:
        """Wait until every living node that renders has looked for its applications.

        Raises:
            PeerfarmError: A node does not come to an end with it.
        """
        seekers = [node for node in self.living if node.call("status")["node"]["render"]]
        if not wait_until(lambda: all(node.call("apps")["apps"] for node in seekers), limit_s):
            raise PeerfarmError("a node did not find its applications in time", "Try again on a less busy machine.")

    def await_agreement(self, limit_s: float) -> tuple[dict[str, str], bool]:
        """Wait until all living nodes have the same actions.

        Returns:
            Node -> hash of its whole replicated state, and whether all have the same actions and the same state.
        """
        hashes: dict[str, str] = {}
        vectors: set[str] = set()

        def is_equal() -> bool:
            hashes.clear()
            vectors.clear()
            for node in self.living:
                row = next(row for row in node.call("nodes")["nodes"] if row["is_self"])
                hashes[node.name] = row["state_hash"]
                vectors.add(row["vector_hash"])
            return len(vectors) == 1

        has_equal_vectors = wait_until(is_equal, limit_s)
        return hashes, has_equal_vectors and len(set(hashes.values())) == 1

    def close(self) -> None:
        """End all nodes and whatever they left running."""
        for node in self.living:
            node.ask_to_stop()  # all at once, so that they end side by side
        for node in self.nodes:
            node.stop()
        for node in self.nodes:
            if node.killed_ns is not None:
                node.clear_leftovers()


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Look until the condition holds; False when the time is over. A node that is not reached counts as not yet."""
    deadline_s = time.monotonic() + limit_s
    while True:
        with suppress(PeerfarmError):
            if condition():
                return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(LOOK_S)


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
