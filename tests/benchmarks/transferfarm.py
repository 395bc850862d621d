"""Nodes that do nothing but move files: real stores and transfers, a process and a folder for each, on loopback."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from peerfarm.config import Settings
from peerfarm.daemon.transfers import Transfers
from peerfarm.mesh import new_keys
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import NodeId, node_id_of
from peerfarm.store.blobs import BlobStore, FileToPack, HashCache, pack, this_system

CORE = Path(__file__).resolve().parents[2] / "core"
LIMIT_S = 600.0


class TransferNode:
    """One process, told what to do by lines of JSON."""

    def __init__(self, home: Path, upload_mb_s: float) -> None:
        """Start it; `meet` makes it known to others."""
        argv = [sys.executable, __file__, str(home), str(upload_mb_s)]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CORE), os.environ.get("PYTHONPATH", "")])}
        self._process = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.facts = self.hear()

    def tell(self, **order: Any) -> None:
        """Give an order; `hear` gives its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next answer; EOFError when the process ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            msg = f"a node of the benchmark ended with exit code {self._process.wait()}"
            raise EOFError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give an order and wait for its answer."""
        self.tell(**order)
        return self.hear()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class TransferFarm:
    """A source and some nodes that fetch, all linked to one another; ended by leaving it."""

    def __init__(self, folder: Path, count: int, upload_mb_s: float = 0.0) -> None:
        """Start a source and `count` others; each sends at most `upload_mb_s` (0: as fast as it can)."""
        self.nodes: list[TransferNode] = []
        try:
            for number in range(count + 1):
                self.nodes.append(TransferNode(folder / f"node-{number}", upload_mb_s))
        except BaseException:
            self.close()
            raise
        self.source, *self.others = self.nodes
        facts = [node.facts for node in self.nodes]
        for node in self.nodes:
            node.tell(do="meet", members=[fact for fact in facts if fact["node"] != node.facts["node"]])
        for node in self.nodes:
            node.hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for node in self.nodes:
            node.close()

    def pack(self, folder: Path) -> dict[str, Any]:
        """Have the source pack everything in a folder; its root and what it took."""
        return self.source.ask(do="pack", folder=str(folder))

    def spread(self, root: Sequence[Any]) -> tuple[float, list[dict[str, Any]]]:
        """Have all others fetch a scene at the same time; the seconds until the last has it, and all nodes' figures.

        The figures are bytes sent and seconds of processor time, of the fetch alone.
        """
        before = [node.ask(do="count") for node in self.nodes]
        begun_s = time.monotonic()
        for node in self.others:
            node.tell(do="fetch", root=list(root), source=self.source.facts["node"])
        for node in self.others:
            error = node.hear()["error"]
            if error:
                raise RuntimeError(error)
        taken_s = time.monotonic() - begun_s
        after = [node.ask(do="count") for node in self.nodes]
        grown = [{key: new[key] - old[key] for key in new} for new, old in zip(after, before, strict=True)]
        return taken_s, grown


def _serve(home: Path, upload_mb_s: float) -> None:
    """The node's process: carry out orders until there are no more."""
    keys = new_keys()
    home.mkdir(parents=True)
    store, cache = BlobStore(home / "blobs", 1 << 40), HashCache(home / "hashes.db")
    settings = Settings(upload_mb_s=upload_mb_s, upload_busy_mb_s=0.0)
    transfers = Transfers(keys, store, settings, lambda text: print(text, file=sys.stderr))
    port = transfers.open("127.0.0.1", 0)
    _say(node=node_id_of(keys.public), key=keys.public, port=port)
    for line in sys.stdin:
        order = json.loads(line)
        match order["do"]:
            case "meet":
                members = order["members"]
                transfers.allow({NodeId(member["node"]): member["key"] for member in members})
                transfers.reach({NodeId(member["node"]): (f"127.0.0.1:{member['port']}",) for member in members})
                give_up_s = time.monotonic() + 30.0
                while len(transfers._mesh.links()) < len(members) and time.monotonic() < give_up_s:
                    time.sleep(0.02)
                _say(links=len(transfers._mesh.links()))
            case "pack":
                _say(**_packed(Path(order["folder"]), store, cache))
            case "fetch":
                root = BlobRef(BlobId(bytes.fromhex(order["root"][0])), order["root"][1])
                _say(error=_fetched(transfers, root, NodeId(order["source"])))
            case "count":
                times = os.times()
                _say(sent_bytes=transfers.traffic.bytes_out, cpu_s=times.user + times.system)
    transfers.close()
    cache.close()
    store.close()


def _packed(folder: Path, store: BlobStore, cache: HashCache) -> dict[str, Any]:
    files = [FileToPack(path, path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()]
    begun_s = time.monotonic()
    packed = pack(files, str(folder), this_system(), store, cache, pin="scene/a")
    return {
        "root": [packed.root.id.hex(), packed.root.size_bytes],
        "size_bytes": packed.manifest.size_bytes,
        "pack_s": time.monotonic() - begun_s,
    }


def _fetched(transfers: Transfers, root: BlobRef, source: NodeId) -> str:
    told: queue.SimpleQueue[FetchProgressed | FetchEnded] = queue.SimpleQueue()
    key = f"scene/{root.id.hex()}"
    transfers.fetch(FetchOrder(key, (root,), is_manifest=True, holders=(source,), pin=key), told.put)
    while True:
        try:
            said = told.get(timeout=LIMIT_S)
        except queue.Empty:
            return f"nothing moved for {LIMIT_S:g} s"
        if isinstance(said, FetchEnded):
            return said.error


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), float(sys.argv[2]))
