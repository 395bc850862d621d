"""peerfarm: a fault-tolerant peer-to-peer render farm."""

__version__ = "0.1.0"
