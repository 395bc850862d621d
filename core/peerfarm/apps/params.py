"""Typed parameters of an app: one table of fields, one checker, one kind of sentence for what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from peerfarm.errors import InvalidJob

MAX_TEXT = 4096
"""Characters of one text value: the longest path on Linux."""

_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]|\\\\[^\\]")


class Kind(StrEnum):
    """What a parameter may hold."""

    TEXT = "text"
    PATH = "an absolute path"
    WHOLE = "a whole number"
    NUMBER = "a number"
    YES_NO = "true or false"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter."""

    kind: Kind
    default: Any = None
    """Taken when the field is left out or null; None with `is_required` off means "as the scene says"."""
    low: float = 0
    """Least value of a number."""
    high: float = 0
    """Greatest value of a number."""
    is_required: bool = False


def is_absolute(path: str) -> bool:
    """Whether a path is absolute on any of the systems that a farm may mix."""
    return _ABSOLUTE.match(path) is not None


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word most like `word`, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(names)}."


def check_text(app: str, field: str, value: object) -> str:
    """A text that may stand in an argument list: no option, no control characters, not endless."""
    if not isinstance(value, str):
        raise InvalidJob(f"params.{field} of app {app} must be text, not {value!r}")
    if value.startswith("-"):
        raise InvalidJob(
            f"params.{field} of app {app} starts with '-': {value[:80]!r}", "A renderer would read it as an option."
        )
    if len(value) > MAX_TEXT:
        raise InvalidJob(f"params.{field} of app {app} is longer than {MAX_TEXT} characters")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise InvalidJob(f"params.{field} of app {app} holds a control character: {value[:80]!r}")
    return value


def check_fields(app: str, params: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """The parameters complete with defaults, in the table's order.

    Raises InvalidJob naming the first field that is unknown, missing, of the wrong type or out of range.
    """
    for name in params:
        if name not in fields:
            raise InvalidJob(f"app {app} has no parameter {str(name)[:80]!r}", nearest(str(name), fields))
    return {name: _value(app, name, params.get(name), field) for name, field in fields.items()}


def _value(app: str, name: str, value: object, field: Field) -> Any:
    if value is None:
        if field.is_required:
            raise InvalidJob(f"app {app} needs params.{name}", f"Give {field.kind.value}.")
        return field.default
    match field.kind:
        case Kind.TEXT:
            return check_text(app, name, value)
        case Kind.PATH:
            path = check_text(app, name, value)
            if not is_absolute(path):
                raise InvalidJob(
                    f"params.{name} of app {app} is no absolute path: {value!r}",
                    "Every node opens it, each from its own directory: write it out from the root.",
                )
            return path
        case Kind.YES_NO:
            if isinstance(value, bool):
                return value
        case Kind.WHOLE if isinstance(value, int) and not isinstance(value, bool) and field.low <= value <= field.high:
            return value
        case Kind.NUMBER if isinstance(value, int | float) and not isinstance(value, bool):
            if field.low <= value <= field.high:
                return value
    raise InvalidJob(f"params.{name} of app {app} must be {_wanted(field)}, not {value!r}")


def _wanted(field: Field) -> str:
    if field.kind in {Kind.WHOLE, Kind.NUMBER}:
        return f"{field.kind.value} from {field.low:g} to {field.high:g}"
    return field.kind.value
