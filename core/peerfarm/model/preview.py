"""What passes between the node's brain and its runner for the small picture of a job's last frame."""

from __future__ import annotations

from dataclasses import dataclass

from peerfarm.model.render import PublishOrder


@dataclass(frozen=True, slots=True)
class PreviewOrder:
    """Make a small picture of the first of these results that lies on this machine; answered by Previewed."""

    request: str
    results: tuple[PublishOrder, ...]
    """Where frames of done tasks belong, the task that is wanted most first. Nothing is published or fetched."""
    size: int
    """Pixels of the longer edge, at most."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """A small picture, or why there is none."""

    request: str
    name: str = ""
    """Of the frame; empty when there is no picture."""
    path: str = ""
    """Where the frame lies for the user; empty while it lies in the node's own store alone."""
    width: int = 0
    height: int = 0
    png: str = ""
    """Base64."""
    reason: str = ""
    """A sentence; empty when there is a picture."""
