"""From the render queue of an After Effects project to a job: one step for each item, as its panel makes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from peerfarm.cli.jobspec import PATTERN, Wish, given, split_output
from peerfarm.errors import RequestRefused

QUEUE_APP = "aftereffects"
_SPAN = re.compile(r"(-?\d+)(?:-(-?\d+))?")
_MOVIE = re.compile(r"\.(mov|mp4|m4v|avi|mxf|webm|wav|aif|aiff|mp3)$", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')


def queue_job(wish: Wish, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """The job to submit: the items that `wish` names, else all that are queued.

    `said` is the answer to `inspect`; None when the project could not be looked into.

    Raises:
        RequestRefused: Nothing is queued, no such item, an item without frames or output, or two that write one file.
    """
    version = "" if wish.is_any_version else wish.version or str((said or {}).get("version", ""))
    items = _chosen(wish, said)
    if len(items) > 1 and (wish.frames or wish.output):
        option = "--frames" if wish.frames else "--output"
        raise RequestRefused(f"{option} is for one item, and {len(items)} are queued", _which(items))
    steps = [_step(wish, item, version) for item in items]
    _refuse_same_output(steps)
    stem = re.split(r"[\\/]", wish.scene)[-1].rpartition(".")[0]
    job = {
        "name": wish.name or stem,
        "priority": wish.priority,
        "pool": wish.pool,
        "workers": list(wish.workers),
        "paused": wish.is_paused or None,
        "steps": steps,
    }
    return given(job)


def _chosen(wish: Wish, said: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    wanted = (wish.params or {}).get("item", wish.item)
    if said is None:
        if wanted is None:
            raise RequestRefused(
                "the project was not looked into, so nobody knows what is queued",
                "Say which place in the render queue is meant: --item 1.",
            )
        return [{"item": wanted, "comp": ""}]
    items = [dict(item) for item in said.get("items", ())]
    if wanted is not None:
        found = [item for item in items if item["item"] == wanted]
        if not found:
            raise RequestRefused(f"the render queue has no item {wanted}", _which(items))
        if not found[0]["is_queued"]:
            raise RequestRefused(
                f"item {wanted} ({found[0]['comp']}) is not queued in the saved project",
                "Tick it in the render queue, choose its output and save the project.",
            )
        return found
    queued = [item for item in items if item["is_queued"]]
    if not queued:
        raise RequestRefused(
            "nothing is queued in the saved project",
            "Add a composition to the render queue, choose its output and save the project.",
        )
    return queued


def _which(items: list[dict[str, Any]]) -> str:
    named = ", ".join(f"--item {item['item']} ({item['comp']})" for item in items[:10])
    return f"Say which: {named}." if named else "Its render queue is empty."


def _step(wish: Wish, item: Mapping[str, Any], version: str) -> dict[str, Any]:
    about = f"item {item['item']}" + (f" ({item['comp']})" if item.get("comp") else "")
    directory, pattern = _output(wish, item)
    if not (directory and pattern):
        raise RequestRefused(
            f"{about} has no output that can be read from the project",
            "Say where its frames go, e.g. --output /projects/shot/shot_####.png, or a movie: --output shot.mov.",
        )
    frames = wish.frames or _span(item)
    if not frames:
        raise RequestRefused(f"the frames of {about} are not known", "Say which: --frames 1-100.")
    params = {**(wish.params or {}), "scene": wish.scene, "item": item["item"], "comp": item.get("comp", "")}
    if not PATTERN.search(pattern):
        first, last = _ends(frames)
        params |= {"movie": True, "first": first, "last": last}
        frames = "1"
    plain = _NOT_IN_NAMES.sub(" ", str(item.get("comp", "")))[:50]
    step = {
        "name": f"{item['item']} {plain}".strip(),
        "app": QUEUE_APP,
        "params": given(params),
        "frames": frames,
        "chunk": 1 if "movie" in params else wish.chunk,
        "output": {"dir": directory, "pattern": pattern},
        "tries": wish.tries,
        "time_limit": wish.time_limit,
        "stall_limit": wish.stall_limit,
        "requires": {"version": version} if version else None,
    }
    return given(step)


def _output(wish: Wish, item: Mapping[str, Any]) -> tuple[str, str]:
    """What the user wrote goes before what the item says; its format stays the item's own."""
    directory, pattern = str(item.get("output_dir", "")), str(item.get("output_pattern", ""))
    if not wish.output:
        return directory.rstrip("\\/") or directory, pattern
    if _MOVIE.search(wish.output):
        cut = max(wish.output.rfind("/"), wish.output.rfind("\\"))
        return wish.output[:cut] or wish.output[: cut + 1], wish.output[cut + 1 :]
    chosen, name = split_output(wish.output)
    if name and pattern and _kind(name) != _kind(pattern):
        raise RequestRefused(
            f"item {item['item']} ({item['comp']}) renders {_kind(pattern)} frames, and {name} ends otherwise",
            f"End the name in .{_kind(pattern)}, or choose another output module in the project.",
        )
    return chosen, name or pattern


def _kind(name: str) -> str:
    """A file's extension, one spelling for each format."""
    extension = name.rpartition(".")[2].lower()
    return {"jpeg": "jpg", "tiff": "tif"}.get(extension, extension)


def _span(item: Mapping[str, Any]) -> str:
    if "frame_start" not in item:
        return ""
    first, last = item["frame_start"], item["frame_end"]
    return str(first) if first == last else f"{first}-{last}"


def _ends(frames: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(frames.strip())
    if not found:
        raise RequestRefused(f"a movie shows all frames from one to another, not {frames!r}", "E.g. --frames 1-100.")
    return int(found[1]), int(found[2] or found[1])


def _refuse_same_output(steps: list[dict[str, Any]]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for step in steps:
        place = (step["output"]["dir"], step["output"]["pattern"])
        if place in seen:
            raise RequestRefused(
                f"{seen[place]} and {step['name']} write into the same files, {place[1]} in {place[0]}",
                "Give one of them another output, or submit one of them by --item.",
            )
        seen[place] = step["name"]
