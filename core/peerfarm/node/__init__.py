"""The pure node: what happened and when goes in, effects come out. No clock, socket or disk beyond this line."""

from peerfarm.node.node import Node

__all__ = ["Node"]
