"""The node's log file against names that other machines chose."""

from __future__ import annotations

from pathlib import Path

from peerfarm.daemon.journal import journal, open_journal, write_events


def test_a_members_name_can_neither_forge_a_line_of_the_log_nor_steer_the_readers_terminal(tmp_path: Path) -> None:
    handler = open_journal(tmp_path)
    try:
        write_events([{"type": "node/dead", "name": "elm\n2026-01-01 00:00:00 INFO stopped in order\x1b[2J\x9b"}])
    finally:
        journal.removeHandler(handler)
        handler.close()
    written = (tmp_path / "node.log").read_text("utf-8")
    assert written.count("\n") == 1
    assert "\x1b" not in written
    assert "\x9b" not in written
