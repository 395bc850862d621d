"""What a reader of job files keeps beside the values: where each stands, so that a refusal names its line."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NoReturn

from peerfarm.config.document import Document, Place, at_line
from peerfarm.config.nearest import did_you_mean, nearest_name
from peerfarm.errors import InvalidJob
from peerfarm.model.check import FieldRefused, show

_PARTS = re.compile(r"\.([^.\[\]]+)|\[([0-9]{1,9})\]")

ELSEWHERE = {
    "after": "depends_on",
    "batch": "chunk",
    "chunk_size": "chunk",
    "chunks": "chunk",
    "dependencies": "depends_on",
    "depends": "depends_on",
    "frame": "frames",
    "frame_range": "frames",
    "output_dir": "output",
    "output_pattern": "output",
    "requirements": "requires",
    "retries": "tries",
    "stall_limit_s": "stall_limit",
    "time_limit_s": "time_limit",
    "timeout": "time_limit",
}
"""What other farms, and the state inside, call the fields of a step."""


class Draft:
    """A job on its way from a document to plain data."""

    def __init__(self, document: Document, source: str) -> None:
        self.document = document
        self.source = source
        self._places: dict[str, Place] = {}

    def came_from(self, field: str, place: Place) -> None:
        """Remember where in the document a field of the plain data was read."""
        self._places[field] = place

    def refused(self, place: Place, problem: str, hint: str = "") -> InvalidJob:
        """The refusal of what stands at a place of the document."""
        line = at_line(self.source, self.document.line_of(place))
        return InvalidJob(f"{line}{_spell(place) or 'the job'} {problem}", hint)

    def refuse(self, place: Place, problem: str, hint: str = "") -> NoReturn:
        """Raise it."""
        raise self.refused(place, problem, hint)

    def refuse_key(self, place: Place, known: Collection[str]) -> NoReturn:
        """Raise InvalidJob for a field that does not exist."""
        self.refuse(place, "is no field that a job can have", did_you_mean(str(place[-1]), known))

    def refuse_misspelt(self, place: Place, known: Collection[str]) -> None:
        """Refuse a key that is most likely one of the known fields, misspelt; anything else may be a parameter."""
        key = str(place[-1])
        meant = ELSEWHERE.get(key) or nearest_name(key, known, cutoff=0.8)
        if meant:
            hint = f'Did you mean "{meant}"? If the app has a parameter of that name, put it under params.'
            self.refuse(place, "is no field that a step can have", hint)

    def told(self, error: FieldRefused) -> InvalidJob:
        """The refusal of a field in the plain data, in the words and with the line of the document."""
        field = max((known for known in self._places if _is_inside(error.field, known)), key=len, default="")
        place = self._places.get(field, ())
        rest = error.field[len(field) :]
        keys = [int(index) if index else key for key, index in _PARTS.findall(rest)]
        line = at_line(self.source, self.document.line_of((*place, *keys)))
        return InvalidJob(f"{line}{(_spell(place) + rest).lstrip('.') or 'the job'} {error.problem}", error.hint)

    def mapping(self, value: Any, place: Place) -> dict[str, Any]:
        """A dict with text keys, none of them without a value."""
        if not isinstance(value, dict):
            self.refuse(place, f"must be a mapping of names to values, not {show(value)}")
        for key, entry in value.items():
            if not isinstance(key, str):
                self.refuse(place, f"has the key {show(key)}, which is no text")
            if entry is None:
                self.refuse((*place, key), "has no value", "Give one, or leave the line out.")
        return value

    def text(self, value: Any, place: Place) -> Any:
        """Text as it was written, where YAML took it for a number: a shot may be called 010; else the value."""
        return self.document.written.get(place, value)

    def texts(self, value: Any, place: Place) -> Any:
        """A list of texts, where a single one may stand for itself; else the value."""
        if isinstance(value, list | tuple):
            return [self.text(entry, (*place, number)) for number, entry in enumerate(value)]
        single = self.text(value, place)
        return [single] if isinstance(single, str) else value


def _is_inside(field: str, known: str) -> bool:
    return field.startswith(known) and field[len(known) : len(known) + 1] in {"", ".", "["}


def _spell(place: Place) -> str:
    spelt = ""
    for part in place:
        spelt += f"[{part}]" if isinstance(part, int) else f".{show(part)[1:-1]}"
    return spelt.lstrip(".")
