"""Whatever is done to a store, SQLite and memory answer as a plain dictionary would."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerfarm.errors import StoreError
from peerfarm.store import Doubt, LogStore, MemoryDisk, Row, open_memory_store, open_store

NODES = st.sampled_from(["n1", "n2"])
LOGS = st.sampled_from(["a", "b"])
SEQS = st.integers(1, 12)
RAWS = st.one_of(st.sampled_from([b"", b"keep", b"x" * 30]), st.binary(max_size=5))
ROWS = st.tuples(NODES, LOGS, SEQS, RAWS)
CUTS = st.dictionaries(st.tuples(NODES, LOGS), st.integers(0, 14), max_size=3)
KEYS = st.sampled_from(["k1", "k2"])

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(ROWS, max_size=6)),
        st.tuples(st.just("read"), st.tuples(NODES, LOGS, SEQS, SEQS, st.integers(0, 80))),
        st.tuples(st.just("snapshot"), st.tuples(st.lists(RAWS, max_size=3), RAWS, CUTS, st.booleans())),
        st.tuples(st.just("put"), st.tuples(KEYS, RAWS)),
        st.tuples(st.just("checkpoint"), st.none()),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=14,
)


def is_kept(raw: bytes) -> bool:
    """The snapshot's `keep` in this test."""
    return raw == b"keep"


class Model:
    """What a store holds, as plainly as can be said."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, int], bytes] = {}
        self.facts: dict[str, bytes] = {}
        self.snapshot: tuple[bytes, list[bytes]] | None = None

    def append(self, rows: list[Row]) -> bool:
        """Whether the batch is taken."""
        after = dict(self.rows)
        for *name, raw in rows:
            if after.setdefault(tuple(name), raw) != raw:  # type: ignore[arg-type] # a row without its bytes
                return False
        self.rows = after
        return True

    def read(self, node: str, log_id: str, first: int, last: int, limit_bytes: int) -> list[bytes]:
        """The longest prefix of the range that fits, or its first row."""
        range_ = [self.rows[node, log_id, seq] for seq in range(first, last + 1) if (node, log_id, seq) in self.rows]
        fitting = [count for count in range(len(range_) + 1) if sum(map(len, range_[:count])) <= limit_bytes]
        return range_[: max(fitting[-1], 1)]

    def save(self, parts: list[bytes], meta: bytes, cut: dict[tuple[str, str], int], keeps: bool) -> None:
        """Replace the snapshot and cut."""
        self.snapshot = (meta, parts)
        self.rows = {
            (node, log_id, seq): raw
            for (node, log_id, seq), raw in self.rows.items()
            if seq > cut.get((node, log_id), 0) or (keeps and is_kept(raw))
        }


def run(reopen: Callable[[], tuple[LogStore, Doubt]], operations: list[tuple[str, object]]) -> None:
    """Do the same to a store and to the model, and compare after every step."""
    model = Model()
    log, doubt = reopen()
    assert doubt is Doubt.NEW
    for name, given_ in operations:
        match name, given_:
            case "append", list() as rows:
                try:
                    log.append(rows)
                except StoreError:
                    assert not model.append(rows)
                else:
                    assert model.append(rows)
            case "read", (node, log_id, first, last, limit):
                assert log.read(node, log_id, first, last, limit) == model.read(node, log_id, first, last, limit)
            case "snapshot", (parts, meta, cut, keeps):
                log.save_snapshot(parts, meta, cut, is_kept if keeps else None)
                model.save(parts, meta, cut, keeps)
            case "put", (key, value):
                log.put(key, value)
                model.facts[key] = value
            case "checkpoint", _:
                assert log.checkpoint()
            case _:
                log.close()
                log, doubt = reopen()
                assert doubt is Doubt.NONE
        assert list(log.rows()) == sorted((*place, raw) for place, raw in model.rows.items())
        assert {key: log.get(key) for key in ("k1", "k2")} == {"k1": None, "k2": None} | model.facts
        snapshot = log.load_snapshot()
        assert (snapshot and (snapshot[0], list(snapshot[1]))) == model.snapshot
    log.close()


@given(OPERATIONS)
def test_memory_answers_as_a_dictionary_would(operations: list[tuple[str, object]]) -> None:
    disk = MemoryDisk()
    run(lambda: open_memory_store(disk), operations)


@pytest.mark.slow
@pytest.mark.timeout(120)
@settings(max_examples=40)
@given(OPERATIONS)
def test_sqlite_answers_as_a_dictionary_would(operations: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(lambda: open_store(Path(folder) / "log.db"), operations)
