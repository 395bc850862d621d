"""Checks of single fields of a job description, of any type and from anybody; each names the field it refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from peerfarm.config.nearest import did_you_mean
from peerfarm.errors import InvalidJob

MAX_PATH = 1024
"""Characters of an output directory."""
MAX_PATTERN = 200
"""Characters of an output pattern: names end at 255 bytes, and a frame number can be longer than its run of #."""
MAX_PADDING = 16
MAX_NAME = 64
"""Characters of a step's, pool's or worker's name and of a tag."""
MAX_PARAM_DEPTH = 8
MAX_PARAM_VALUES = 5000
"""Numbers, texts and so on in one step's parameters, keys included."""
MAX_PARAM_TEXT = 16_384
"""Characters of one text in the parameters."""
MAX_EXACT = 2**53
"""Whole numbers up to here are the same in every language that a plug-in is written in."""

_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]|\\\\[^\\/]")
_FORBIDDEN_IN_NAMES = frozenset('/\\:*?"<>|')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)

Choice = TypeVar("Choice", bound=StrEnum)


class FieldRefused(InvalidJob):
    """One field of a job is wrong; tells its reader which, so that a line can be found for it."""

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{field or 'the job'} {problem}", hint)
        self.field = field
        """Such as `steps[1].chunk_size`; empty for the job as a whole."""
        self.problem = problem
        """The rest of the sentence."""


def refuse(field: str, problem: str, hint: str = "") -> NoReturn:
    """Raise FieldRefused."""
    raise FieldRefused(field, problem, hint)


def show(value: object) -> str:
    """A value as a message quotes it: short, on one line, obeyed by no terminal."""
    if isinstance(value, str):
        text = value if len(value) <= 60 else f"{value[:60]}…"
        return f'"{"".join(letter if letter.isprintable() else "?" for letter in text)}"'
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a huge number"
    if isinstance(value, float):
        return str(value)
    for kind, words in ((Mapping, "a mapping"), (list | tuple, "a list"), (bytes, "bytes")):
        if isinstance(value, kind):
            return words
    return "something else"


def check_mapping(value: object, field: str) -> dict[str, Any]:
    """A dict with text keys."""
    if not isinstance(value, dict):
        refuse(field, f"must be a mapping of names to values, not {show(value)}")
    for key in value:
        if not isinstance(key, str):
            refuse(field, f"has the key {show(key)}, which is no text")
    return value


def check_known(value: Mapping[str, Any], field: str, known: Iterable[str]) -> None:
    """No other keys than the known ones."""
    names = frozenset(known)
    for key in value:
        if key not in names:
            refuse(inside(field, key), "is no field that a job can have", did_you_mean(key, names))


def inside(field: str, key: str) -> str:
    """The name of a field inside another one."""
    shown = show(key)[1:-1]
    return f"{field}.{shown}" if field else shown


def check_list(value: object, field: str, longest: int) -> list[Any]:
    """A list, or a tuple, of at most so many entries."""
    if not isinstance(value, list | tuple):
        refuse(field, f"must be a list, not {show(value)}")
    if len(value) > longest:
        refuse(field, f"has {len(value)} entries, more than {longest}")
    return list(value)


def check_int(value: object, field: str, low: int, high: int) -> int:
    """A whole number in the range, ends included."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(field, f"must be a whole number from {low} to {high}, not {show(value)}")
    return value


def check_seconds(value: object, field: str, high: float) -> float:
    """A finite number of seconds from 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= high:  # type: ignore[operator] # mypy does not follow is_number
        refuse(field, f"must be a number of seconds from 0 to {high:g}, not {show(value)}")
    return float(value)  # type: ignore[arg-type] # as above


def check_bool(value: object, field: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        refuse(field, f"must be true or false, not {show(value)}")
    return value


def check_choice(value: object, field: str, kind: type[Choice]) -> Choice:
    """One of an enum's words."""
    words = [entry.value for entry in kind]
    if not isinstance(value, str) or value not in words:
        refuse(field, f"must be one of {', '.join(words)}, not {show(value)}")
    return kind(value)


def check_text(value: object, field: str, longest: int, *, is_required: bool = True) -> str:
    """One line of text that can be shown anywhere."""
    if not isinstance(value, str):
        refuse(field, f"must be text, not {show(value)}", "" if value is None else "Put it in quotes.")
    if len(value) > longest:
        refuse(field, f"is {len(value)} characters long, more than {longest}")
    if is_required and not value.strip():
        refuse(field, "must not be empty")
    if not value.isprintable():
        refuse(field, f"holds a character that cannot be shown: {show(value)}", "Leave out line breaks and the like.")
    return value


def check_label(value: object, field: str) -> str:
    """A name that also serves as a directory on any system: a step's, a pool's, a worker's, a tag."""
    text = check_text(value, field, MAX_NAME)
    if any(letter in _FORBIDDEN_IN_NAMES for letter in text):
        refuse(field, f'must hold none of / \\ : * ? " < > |, but is {show(text)}')
    if text[0] in " ." or text[-1] in " ." or text[0] == "-":
        refuse(field, f"must not begin with a dot, a space or a minus, nor end with a dot or a space: {show(text)}")
    if _DEVICES.fullmatch(text):
        refuse(field, f"must not be {show(text)}, which is a device on Windows")
    return text


def check_labels(value: object, field: str, longest: int) -> tuple[str, ...]:
    """A list of such names, none twice."""
    names = tuple(
        check_label(entry, f"{field}[{number}]") for number, entry in enumerate(check_list(value, field, longest))
    )
    if len(set(names)) < len(names):
        refuse(field, "names something twice")
    return names


def is_absolute(path: str) -> bool:
    """Whether the path is absolute on any of the systems that a farm may mix."""
    return _ABSOLUTE.match(path) is not None


def check_output_dir(value: object, field: str) -> str:
    """An absolute directory, spelt as on Linux, macOS or Windows; empty for none."""
    text = check_text(value, field, MAX_PATH, is_required=False)
    if text and not is_absolute(text):
        refuse(field, f"must be an absolute path, not {show(text)}", "Write it out from the root or the drive.")
    return text


def check_output_pattern(value: object, field: str) -> str:
    """A plain file name with at most one run of #, that any system can store; empty for none."""
    text = check_text(value, field, MAX_PATTERN, is_required=False)
    if not text:
        return text
    if any(letter in _FORBIDDEN_IN_NAMES for letter in text):
        refuse(field, f'must be a file name with none of / \\ : * ? " < > |, not {show(text)}')
    runs = re.findall("#+", text)
    if len(runs) > 1:
        refuse(
            field,
            f"must hold one run of #, which stands for the frame number, not {len(runs)}: {show(text)}",
            "Write it like beauty_####.png.",
        )
    if runs and len(runs[0]) > MAX_PADDING:
        refuse(field, f"pads frame numbers to {len(runs[0])} digits; at most {MAX_PADDING} make sense")
    if text[-1] in " ." or text[0] == " ":
        refuse(field, f"must neither begin nor end with a space, nor end with a dot: {show(text)}")
    return text


def check_params(value: object, field: str) -> dict[str, Any]:
    """An app's parameters: plain data that JSON can carry, of bounded depth and size. The app knows what they mean."""
    params = check_mapping(value, field)
    copy: dict[str, Any] = _plain(params, field, MAX_PARAM_DEPTH, [MAX_PARAM_VALUES])
    return copy


def _plain(value: object, field: str, depth: int, left: list[int]) -> Any:
    """A copy in which every list is a list; `left` counts down the values that may still come."""
    left[0] -= 1
    if left[0] < 0:
        refuse(field, f"is one value too many: parameters hold at most {MAX_PARAM_VALUES}", "Put them in a file.")
    if isinstance(value, str):
        return _param_text(value, field)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return check_int(value, field, -MAX_EXACT, MAX_EXACT)
    if isinstance(value, float):
        if not math.isfinite(value):
            refuse(field, f"must be a finite number, not {value}")
        return value
    if depth == 0:
        refuse(field, f"is nested deeper than {MAX_PARAM_DEPTH} levels")
    if isinstance(value, list | tuple):
        return [_plain(entry, f"{field}[{number}]", depth - 1, left) for number, entry in enumerate(value)]
    if not isinstance(value, dict):
        refuse(field, f"must be text, a number, true or false, a list or a mapping, not {show(value)}")
    copy = {}
    for key, entry in check_mapping(value, field).items():
        _param_text(key, inside(field, key))
        copy[key] = _plain(entry, inside(field, key), depth - 1, left)
    return copy


def _param_text(text: str, field: str) -> str:
    if len(text) > MAX_PARAM_TEXT:
        refuse(field, f"is {len(text)} characters long, more than {MAX_PARAM_TEXT}", "Put it in a file.")
    if "\0" in text or not _is_utf8(text):
        refuse(field, "holds a NUL or half a character (a lone surrogate)")
    return text


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
