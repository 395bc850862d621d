"""A worker as others see it: what it offers and what it may be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from peerfarm.model.ids import NodeId

AppTold = tuple[str, str, tuple[str, ...]]
"""(app, version, tags): one installation."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What decides whether a worker fits, whether it is this node or a peer."""

    node: NodeId
    name: str
    is_rendering: bool
    pools: tuple[str, ...]
    tags: tuple[str, ...]
    apps: tuple[AppTold, ...]
    memory_mb: int
    cores: int
