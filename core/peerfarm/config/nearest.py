"""Names the known word that somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint with the known word most like `word`, else with all of them; empty when nothing is known."""
    names = sorted(known)
    near = nearest_name(word, names, cutoff)
    if near:
        return f'Did you mean "{near}"?'
    return f"Known are: {', '.join(names)}." if names else ""


def nearest_name(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known word most like `word`; empty when none is similar enough (0: anything, 1: the same)."""
    import difflib  # noqa: PLC0415 - only a mistake needs it, and every start would pay

    close = difflib.get_close_matches(word[:64].casefold(), list(known), 1, cutoff)
    return close[0] if close else ""
