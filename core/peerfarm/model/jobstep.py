"""The fields of one step as people spell them: output, durations, dependencies by name, parameters beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from peerfarm.config.document import Place
from peerfarm.config.nearest import did_you_mean
from peerfarm.errors import InvalidFrames
from peerfarm.model.check import show
from peerfarm.model.frames import parse_frames
from peerfarm.model.jobdraft import Draft

STEP_FIELDS = {
    "name": "name",
    "app": "app",
    "frames": "frames",
    "chunk": "chunk_size",
    "output": "output_dir",
    "depends_on": "depends_on",
    "run": "run",
    "tries": "tries",
    "time_limit": "time_limit_s",
    "stall_limit": "stall_limit_s",
    "requires": "requires",
    "params": "params",
}
"""Field of the file -> field of the plain data."""
PARAMETERS = frozenset({"outputs"})
"""Parameters of apps that look like misspelt fields, and are none."""
_PADDING = re.compile(r"#+|%(?:0([0-9]{1,2}))?d|\$F([0-9]{1,2})?")
_DURATION = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?)\s*(d|h|min|m|s)\s*)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}


def draft_step(draft: Draft, step: Mapping[str, Any], place: Place, own: int, names: Sequence[Any]) -> dict[str, Any]:
    """One step as plain data for `decode_spec`.

    Args:
        place: Where the step's fields stand; () for the short form.
        own: The step's index.
        names: The names of all the job's steps in order, given or made up; unchecked.
    """
    at = f"steps[{own}]"
    draft.came_from(at, place)
    encoded: dict[str, Any] = {"name": names[own]}
    params: dict[str, Any] = {}
    for key, value in step.items():
        here = (*place, key)
        field = STEP_FIELDS.get(key)
        if field is None:
            if key not in PARAMETERS:
                draft.refuse_misspelt(here, STEP_FIELDS)
            draft.came_from(f"{at}.params.{key}", here)
            params[key] = value
            continue
        draft.came_from(f"{at}.{field}", here)
        match key:
            case "app":
                encoded[field] = draft.text(value, here)
            case "frames":
                encoded[field] = _frames(draft, value, here)
            case "output":
                draft.came_from(f"{at}.output_pattern", here)
                encoded["output_dir"], encoded["output_pattern"] = _output(draft, value, here, at)
            case "depends_on":
                encoded[field] = _depends_on(draft, value, here, own, names)
            case "time_limit" | "stall_limit":
                encoded[field] = _seconds(draft, value, here)
            case "requires":
                encoded[field] = _requires(draft, value, here)
            case "chunk" | "run" | "tries":
                encoded[field] = value
    if "params" in step:
        params = _merged(draft, params, step["params"], (*place, "params"))
    return encoded | {"params": params}


def _merged(draft: Draft, beside: dict[str, Any], params: Any, place: Place) -> dict[str, Any]:
    if not isinstance(params, dict):
        draft.refuse(place, f"must be a mapping of names to values, not {show(params)}")
    for key in beside:
        if key in params:
            draft.refuse((*place, key), "is given twice: in params and beside it", "Keep one of the two.")
    return {**beside, **params}


def _frames(draft: Draft, value: Any, place: Place) -> list[int]:
    text = draft.text(value, place)
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text) if abs(text) < 10**12 else "a huge number"
    if not isinstance(text, str):
        draft.refuse(place, f"must be an expression such as 1-60 or 1-100x5, not {show(value)}")
    try:
        return [number for one in parse_frames(text) for number in one]
    except InvalidFrames as error:
        draft.refuse(place, f"cannot be used: {error}", error.hint)


def _output(draft: Draft, value: Any, place: Place, at: str) -> tuple[Any, Any]:
    if isinstance(value, str):
        cut = max(value.rfind("/"), value.rfind("\\"))
        if cut < 0:
            draft.refuse(place, f"must be a directory and a file name, not {show(value)}", _OUTPUT_HINT)
        folder = value[:cut] if value[:cut].strip("/\\") and not value[:cut].endswith(":") else value[: cut + 1]
        return folder, _pattern(draft, value[cut + 1 :], place)
    fields = draft.mapping(value, place)
    for key in fields:
        if key not in {"dir", "pattern"}:
            draft.refuse_key((*place, key), ("dir", "pattern"))
    draft.came_from(f"{at}.output_dir", (*place, "dir"))
    draft.came_from(f"{at}.output_pattern", (*place, "pattern"))
    pattern = draft.text(fields.get("pattern", ""), (*place, "pattern"))
    if isinstance(pattern, str) and pattern:
        pattern = _pattern(draft, pattern, (*place, "pattern"))
    return fields.get("dir", ""), pattern


_OUTPUT_HINT = "Write it like /shots/010/beauty_####.png."


def _pattern(draft: Draft, name: str, place: Place) -> str:
    """The file name with its padding as a run of #, however it was spelt."""
    runs = list(_PADDING.finditer(name))
    if not name:
        draft.refuse(place, "has no file name", f"{_OUTPUT_HINT} #### , %04d and $F4 are the same.")
    if not runs:
        return name
    if len(runs) > 1:
        draft.refuse(place, f"has more than one place for the frame number: {show(name)}", "Keep one of them.")
    (run,) = runs
    digits = int(run[1] or run[2] or 1) if run[0][0] != "#" else len(run[0])
    return f"{name[: run.start()]}{'#' * max(digits, 1)}{name[run.end() :]}"


def _seconds(draft: Draft, value: Any, place: Place) -> Any:
    """Seconds, from a number or from text such as 90s, 5m or 1h30m."""
    if not isinstance(value, str):
        return value
    total, position = 0.0, 0
    while position < len(value) and (part := _DURATION.match(value, position)):
        total += float(part[1]) * _SECONDS[part[2]]
        position = part.end()
    if position < len(value) or not value:
        draft.refuse(place, f"is no duration: {show(value)}", "Write seconds as a number, or 90s, 5m, 2h, 1h30m.")
    return total


def _requires(draft: Draft, value: Any, place: Place) -> dict[str, Any]:
    fields = dict(draft.mapping(value, place))
    if "version" in fields:
        fields["version"] = draft.text(fields["version"], (*place, "version"))
    if "tags" in fields:
        fields["tags"] = draft.texts(fields["tags"], (*place, "tags"))
    return fields


def _depends_on(draft: Draft, value: Any, place: Place, own: int, names: Sequence[Any]) -> list[dict[str, Any]]:
    entries = value if isinstance(value, list | tuple) else [value]
    encoded = []
    for number, entry in enumerate(entries):
        here = (*place, number) if isinstance(value, list | tuple) else place
        draft.came_from(f"steps[{own}].depends_on[{number}]", here)
        encoded.append(_dependency(draft, entry, here, own, names))
        if isinstance(entry, dict):
            draft.came_from(f"steps[{own}].depends_on[{number}].offsets", (*here, "frames"))
    return encoded


def _dependency(draft: Draft, value: Any, place: Place, own: int, names: Sequence[Any]) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"step": _step_index(draft, value, place, own, names)}
    fields = draft.mapping(value, place)
    for key in fields:
        if key not in {"step", "frames", "tasks"}:
            draft.refuse_key((*place, key), ("step", "frames", "tasks"))
    if "step" not in fields:
        draft.refuse(place, "lacks the step that it waits for", "Write {step: NAME}.")
    encoded: dict[str, Any] = {"step": _step_index(draft, fields["step"], (*place, "step"), own, names)}
    if "frames" in fields and "tasks" in fields:
        draft.refuse(place, "names frames and tasks", "Keep one of the two, or write two dependencies.")
    for key, kind, field in (("frames", "frames", "offsets"), ("tasks", "tasks", "tasks")):
        if key in fields:
            numbers = fields[key]
            encoded |= {"kind": kind, field: list(numbers) if isinstance(numbers, list | tuple) else [numbers]}
    return encoded


def _step_index(draft: Draft, value: Any, place: Place, own: int, names: Sequence[Any]) -> int:
    name = draft.text(value, place)
    if not isinstance(name, str):
        draft.refuse(place, f"must be the name of an earlier step, not {show(value)}")
    if name in names[:own]:
        index: int = names.index(name)
        return index
    if name in names:
        problem = "names the step itself" if names[own] == name else "names a later step"
        hint = "Put the steps in the order in which they run."
    else:
        problem = "names no step of this job"
        hint = did_you_mean(name, [other for other in names[:own] if isinstance(other, str)])
    raise draft.refused(place, f"{problem}: {show(name)}", hint)
