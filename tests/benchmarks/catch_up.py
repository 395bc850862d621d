"""How long a node takes to get 100 000 actions from another one over an encrypted loopback link."""

from __future__ import annotations

import json
import time
from typing import Any

from action_stream import Author, submissions, work
from figures import rounded
from realfarm import BenchmarkFailed, RealFarm, RealNode, wait_until

from peerfarm.model.ids import FarmId
from peerfarm.state.actions import decode_action
from peerfarm.store import open_store

TASKS = 100
LIMIT_S = 60.0


def run(scale: float) -> dict[str, Any]:
    """Two nodes know each other; one comes back with a long log; timed from the link until the vectors are equal."""
    jobs = max(5, int(500 * scale))
    with RealFarm([{"render": False}, {"render": False}]) as farm:
        full, empty = farm.nodes
        farm_id = FarmId(full.call("status")["farm"]["id"])
        full.stop()
        before = wait_until("the loss of the peer", lambda: empty.call("status")["live"] == 1 and empty.own_row())
        count = _write_history(full, farm_id, jobs)
        client = wait_until("a connection", empty.connect)
        client.call("subscribe")
        full.start()
        if full.own_row()["vector_hash"] == before["vector_hash"]:
            raise BenchmarkFailed("the written history was not read at the start")
        while (event := client.next_event(LIMIT_S)) is not None and event.get("type") != "node/live":
            continue
        begun_s = time.monotonic()
        wanted = full.own_row()
        rows = wait_until("catching up", lambda: _equal(empty, wanted), LIMIT_S)
        taken_s = time.monotonic() - begun_s
        client.close()
    if rows["state_hash"] != wanted["state_hash"]:
        raise BenchmarkFailed("equal vectors, another state")
    return {"catch_up_s": rounded(taken_s), "catch_up_actions": count}


def _equal(node: RealNode, wanted: dict[str, Any]) -> dict[str, Any] | None:
    row = node.own_row()
    return row if row["vector_hash"] == wanted["vector_hash"] else None


def _write_history(node: RealNode, farm_id: FarmId, jobs: int) -> int:
    """Put four logs of a long time of work into a stopped node's database, one of them its own; how many actions."""
    public = json.loads((node.data / "key").read_text("utf-8"))["public"]
    store, _ = open_store(node.data / "log.db")
    own_log = (store.get("own_log") or b"").decode()
    seq = max(row[2] for row in store.rows() if row[1] == own_log)
    authors = [Author(0, public, farm_id, own_log, seq), *(Author(number, farm=farm_id) for number in range(1, 4))]
    stream = [*submissions(authors, jobs, TASKS, 1000), *work(authors, jobs, TASKS, 2000 + jobs, 16)]
    store.append([(*decode_action(raw).id, raw) for _, raw in stream])
    store.close()
    return len(stream)
