"""What a decoded field may be: small checks, for the table of messages to be written in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peerfarm.model import ids

Check = Callable[[Any], bool]


def text_up_to(limit: int) -> Check:
    """A text of at most so many characters."""
    return lambda value: isinstance(value, str) and len(value) <= limit


def whole(low: int, high: int) -> Check:
    """A whole number between these, both included."""
    return lambda value: type(value) is int and low <= value <= high


def is_flag(value: Any) -> bool:
    """True or false."""
    return type(value) is bool


def bytes_up_to(limit: int) -> Check:
    """At most so many bytes."""
    return lambda value: isinstance(value, bytes) and len(value) <= limit


def many(limit: int, check: Check) -> Check:
    """At most so many, each of which passes the check."""
    return lambda value: isinstance(value, tuple) and len(value) <= limit and all(map(check, value))


def row(*checks: Check) -> Check:
    """As many parts as there are checks, each of which passes its own."""
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(check(part) for check, part in zip(checks, value, strict=True))
    )


def id_of(length: int) -> Check:
    """An id of so many characters."""
    return lambda value: ids.is_id(value, length)
