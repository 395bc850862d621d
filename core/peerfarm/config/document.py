"""Reads YAML written by people, with the line of every value; JSON is YAML enough.

Only plain data comes out: no tags, no anchors, no dates. Numbers and booleans are those of YAML 1.2, so that `on`
stays text and `010` is ten. Whatever the text holds, it is read or refused with a line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from peerfarm.errors import PeerfarmError

Place = tuple[str | int, ...]
"""Where a value stands: keys and indices from the top; () is the whole document."""

MAX_DEPTH = 16
MAX_VALUES = 20_000
"""Keys, texts, numbers and so on in one document: reading more would hold a node's loop for too long."""
_INT = re.compile(r"[-+]?[0-9]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_CONSTANTS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says, and where."""

    value: Any
    """Dicts with text keys, lists, text, whole numbers, finite numbers, booleans, None."""
    lines: Mapping[Place, int] = field(default_factory=dict)
    """The line, from 1, on which each key's or element's value begins; keys count for their values."""
    written: Mapping[Place, str] = field(default_factory=dict)
    """How numbers were spelt: `4.10` is 4.1 as a value, and another version as text."""

    def line_of(self, place: Place) -> int:
        """The line of a value, or of what holds it when the value is not there; 0 when nothing is known."""
        for length in range(len(place), -1, -1):
            line = self.lines.get(place[:length])
            if line is not None:
                return line
        return 0


def at_line(source: str, line: int) -> str:
    """How a message begins that speaks of a line: `shot.yaml, line 3: `; empty when neither is known."""
    where = ", ".join(part for part in (source, f"line {line}" if line else "") if part)
    return f"{where}: " if where else ""


def read_document(text: str, *, refuse_as: type[PeerfarmError], largest: int, source: str = "") -> Document:
    """Read one YAML or JSON document.

    Args:
        refuse_as: The error to raise.
        largest: Most characters; longer texts are refused unread.
        source: What the text is called in messages, such as a file's name.

    Raises:
        PeerfarmError: As `refuse_as`: the text is too large, cannot be read, repeats a key, nests deeper than
            MAX_DEPTH, holds more than MAX_VALUES values, or uses anchors, aliases or tags. The message names the line.
    """
    if len(text) > largest:
        raise refuse_as(f"{at_line(source, 0)}the text is larger than {largest // 1024} KiB", "Is it the right file?")
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        text = _tabs_to_spaces(text)
    return _Reader(text, refuse_as, source).read()


def _tabs_to_spaces(text: str) -> str:
    """JSON may be indented by tabs, which YAML refuses; before a line's first character they mean nothing there."""
    return re.sub(r"(?m)^[ \t]+", lambda found: " " * len(found[0]), text)


class _Reader:
    """One pass over the parser's events; recursion is bounded by MAX_DEPTH."""

    def __init__(self, text: str, refuse_as: type[PeerfarmError], source: str) -> None:
        self._text = text
        self._refuse_as = refuse_as
        self._source = source
        self._lines: dict[Place, int] = {}
        self._written: dict[Place, str] = {}
        self._loader: Any = None
        self._count = 0

    def read(self) -> Document:
        try:
            self._loader = yaml.SafeLoader(self._text)
            return self._document()
        except yaml.MarkedYAMLError as error:
            problem = error.problem or error.context or "it is no YAML"
            is_open = ("end of stream" in problem or "stream end" in problem) and error.context_mark is not None
            mark = error.context_mark if is_open else error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            raise self._error(line, f"this cannot be read as YAML: {_readable(problem)}") from error
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            raise self._error(line, "there is a character that YAML does not allow") from error
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # PyYAML lets chr() and int() raise on escapes and directives that are out of range.
            raise self._error(0, f"this cannot be read as YAML: {_readable(str(error))}") from error

    def _document(self) -> Document:
        value: Any = None
        for count in range(2):
            event = self._event()
            while isinstance(event, yaml.StreamStartEvent):
                event = self._event()
            if isinstance(event, yaml.StreamEndEvent):
                break
            if count:
                self._refuse(event, "a second document begins here", "Put one document into a file.")
            value = self._value(self._event(), ())
            self._event()
        return Document(value, self._lines, self._written)

    def _value(self, event: Any, place: Place) -> Any:
        self._lines.setdefault(place, _line(event))
        self._count += 1
        if self._count > MAX_VALUES:
            self._refuse(event, f"this document holds more than {MAX_VALUES} values", "Put long lists in a file.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse(event, "anchors and aliases (& and *) are not read", "Write the value out where it is needed.")
        if getattr(event, "tag", None) not in {None, "!"}:
            self._refuse(event, f"tags such as {_readable(str(event.tag))} are not read", "Leave the tag out.")
        if len(place) > MAX_DEPTH:
            self._refuse(event, f"this is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place)
        return self._scalar(event, place)

    def _mapping(self, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._event(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag not in {None, "!"}:
                self._refuse(event, "a key must be plain text")
            key = self._clean(event, str(event.value))
            if key in found:
                first = self._lines[(*place, key)]
                self._refuse(event, f'"{_readable(key)}" is given twice; first in line {first}', "Keep one of the two.")
            self._lines[(*place, key)] = _line(event)
            found[key] = self._value(self._event(), (*place, key))
        return found

    def _sequence(self, place: Place) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._event(), yaml.SequenceEndEvent):
            found.append(self._value(event, (*place, len(found))))
        return found

    def _scalar(self, event: Any, place: Place) -> Any:
        text: str = event.value
        if event.implicit[0]:
            if text in _CONSTANTS:
                return _CONSTANTS[text]
            if _INT.fullmatch(text):
                self._written[place] = text
                return int(text)
            if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
                self._written[place] = text
                return number
        return self._clean(event, text)

    def _clean(self, event: Any, text: str) -> str:
        r"""Join the surrogate pairs that JSON writes for emoji, `\ud83d\ude00`."""
        if text.isascii():
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self._refuse(event, "half a character: a surrogate stands alone", "Write the character itself.")

    def _event(self) -> Any:
        return self._loader.get_event()

    def _refuse(self, event: Any, problem: str, hint: str = "") -> NoReturn:
        raise self._error(_line(event), problem, hint)

    def _error(self, line: int, problem: str, hint: str = "") -> PeerfarmError:
        return self._refuse_as(f"{at_line(self._source, line)}{problem}", hint)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _readable(text: str) -> str:
    """The text without what a terminal would obey, and not endless."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100])
