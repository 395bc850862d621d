"""How a rule of the real code is broken on purpose, and put right again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sim_faults


@dataclass(frozen=True, slots=True)
class Mutation:
    """One rule, and how it is broken."""

    name: str
    expected: tuple[str, ...]
    """The properties of which one must notice."""
    break_it: Callable[[], Any]
    """A context manager."""
    faults: tuple[sim_faults.Fault, ...] = ()
    """Faults that bring it to light; each run has some of them. Empty: any."""
    has_files: bool = False
    """Whether it takes jobs whose files travel."""
    scenario: str = ""
    """The scenario that shows it, where random runs seldom do."""


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Have another value in place for a while."""
    before = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def entry(table: dict[Any, Any], key: Any, value: Any) -> Iterator[None]:
    """The same in a table."""
    before = table[key]
    table[key] = value
    try:
        yield
    finally:
        table[key] = before
