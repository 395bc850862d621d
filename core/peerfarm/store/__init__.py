"""What a node keeps on its disk: the action log with its snapshot, its keys, and the lock on its home.

Actions are opaque bytes here; what they mean is known above and below, never in this room.
"""

from peerfarm.store.keys import KeyPair, load_or_make_keys
from peerfarm.store.lock import HomeLock
from peerfarm.store.log import MAX_ACTION_BYTES, Cut, Doubt, LogStore, Row, Salvage
from peerfarm.store.memory import MemoryDisk, MemoryImage, MemoryLog, open_memory_store
from peerfarm.store.opening import open_store
from peerfarm.store.sqlite_log import SqliteLog

__all__ = [
    "MAX_ACTION_BYTES",
    "Cut",
    "Doubt",
    "HomeLock",
    "KeyPair",
    "LogStore",
    "MemoryDisk",
    "MemoryImage",
    "MemoryLog",
    "Row",
    "Salvage",
    "SqliteLog",
    "load_or_make_keys",
    "open_memory_store",
    "open_store",
]
