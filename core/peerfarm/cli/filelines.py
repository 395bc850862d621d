"""How files that travel read on a terminal: who fetches, how full the store is, what is missing. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from peerfarm.cli import text

WORTH_TELLING_S = 2
"""Frames that arrive sooner are not spoken of."""
_SHOWN = 3
"""Names in one line; the rest is counted by the line itself."""


def store_words(store: Mapping[str, Any]) -> str:
    """`files: 12 GB of 50 GB, 3.1 GB needed by jobs`."""
    words = f"files: {text.size(store['used_bytes'])} of {text.size(store['quota_bytes'])}"
    needed = store.get("pinned_bytes")
    return f"{words}, {text.size(needed)} needed by jobs" if needed else words


def fetch_words(row: Mapping[str, Any]) -> str:
    """How far one fetch is: `43 %, 120 MB of 280 MB, 11 MB/s, 15 s left`."""
    words = [text.percent(row["progress"])]
    if row.get("total_bytes"):
        words.append(f"{text.size(row.get('done_bytes') or 0)} of {text.size(row['total_bytes'])}")
    if (row.get("rate_bytes_s") or 0) >= 1:
        words.append(f"{text.size(row['rate_bytes_s'])}/s")
    if row.get("left_s") is not None:
        words.append(f"{text.duration(row['left_s'])} left")
    return ", ".join(words)


def fetches_in_short(rows: Sequence[Mapping[str, Any]]) -> str:
    """All nodes' fetches of one job in a few words: `files: elm 43 %, ash 12 %, 15 s left`; empty for none."""
    if not rows:
        return ""
    slowest = max((row["left_s"] for row in rows if row.get("left_s") is not None), default=None)
    words = [f"{text.clean(row['name'])} {text.percent(row['progress'])}" for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        words.append(f"{len(rows) - _SHOWN} more")
    if slowest is not None:
        words.append(f"{text.duration(slowest)} left")
    return f"files: {', '.join(words)}"


def home_words(row: Mapping[str, Any] | None) -> str:
    """How far frames are on their way here: `3 tasks, 21 MB of 45 MB, 2.0 MB/s, 12 s left`; empty for none."""
    if not row:
        return ""
    words = [text.count(row["tasks"], "task"), f"{text.size(row['done_bytes'])} of {text.size(row['total_bytes'])}"]
    if row["rate_bytes_s"] >= 1:
        words.append(f"{text.size(row['rate_bytes_s'])}/s")
    if row["left_s"] is not None:
        words.append(f"{text.duration(row['left_s'])} left")
    return ", ".join(words)


def home_in_short(row: Mapping[str, Any] | None) -> str:
    """The same for a line with other words, and empty for frames that are here in a moment."""
    if not row or (row["left_s"] or 0) < WORTH_TELLING_S:
        return ""
    return f"frames: {home_words(row).partition(', ')[2]}"


def rendering(tasks: Mapping[str, Any], transfer: Mapping[str, Any]) -> int:
    """How many tasks are rendered now: not those whose frames wait for their second copy, or are on their way here."""
    coming, copies = transfer.get("frames") or {}, transfer.get("copies") or {}
    count: int = tasks["leased"] - coming.get("rendered", 0) - copies.get("waiting", 0)
    return max(0, count)


def job_lines(transfer: Mapping[str, Any], *, is_stuck: bool = False) -> Iterator[str]:
    """What there is to say of a job's files: who fetches them or cannot, and which results have one copy only.

    Args:
        is_stuck: What is in their way the job's own lines tell.
    """
    rows = transfer.get("fetching") or ()
    if rows:
        yield f"files on their way to {text.count(len(rows), 'node')}:"
        for row in rows:
            yield f"  {text.clean(row['name'])}: {fetch_words(row)}"
    if coming := home_words(transfer.get("frames")):
        yield f"frames on their way here: {coming}"
    for row in () if is_stuck else (transfer.get("stuck") or ())[:_SHOWN]:
        yield f"{text.clean(row['name'])} cannot take part: {text.clean(row['error'])}"
    if coming := home_words(transfer.get("frames")):
        yield f"frames on their way here: {coming}"
    single = transfer.get("single")
    if single:
        verb = "exists" if single["frames"] == 1 else "exist"
        yield (
            f"{text.count(single['frames'], 'frame')} {verb} on one node only ({text.clean(single['name'])}): "
            "keep it running until another joins or they are fetched"
        )


def missing_lines(missing: Mapping[str, Any] | None, *, is_stuck: bool = False) -> Iterator[str]:
    """Which frames of a step are not in its output folder: those that are rendered, and those that are not.

    Args:
        is_stuck: Something is in their way, which the job's own lines tell.
    """
    if not missing or not missing["count"]:
        return
    where = text.clean(missing.get("directory") or "the output folder")
    rendered = missing.get("rendered") or {"count": 0, "names": [], "waits_for": []}
    if rendered["count"]:
        names = [text.clean(name) for name in rendered["waits_for"]]
        on_way = "rendered" if is_stuck else "rendered, on their way"
        why = f"waiting for {' and '.join(names)}" if names else on_way
        yield f"missing in {where}: {_frames(rendered['count'], rendered['names'])} ({why})"
    left = missing["count"] - rendered["count"]
    if left:
        known = set(rendered["names"])
        names = [name for name in missing["names"] if name not in known]
        yield f"missing in {where}: {_frames(left, names)} (not rendered)"


def _frames(count: int, names: Sequence[str]) -> str:
    shown = [text.clean(name) for name in names[:_SHOWN]]
    listed = f": {', '.join(shown)}" if shown else ""
    return f"{text.count(count, 'frame')}{listed}{', …' if shown and count > len(shown) else ''}"
