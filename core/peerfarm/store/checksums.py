"""Checksums that bind what is stored to the place where it is stored, so that a row cannot pass for another."""

from __future__ import annotations

from typing import TypeGuard
from zlib import crc32

_MASK = 0xFFFFFFFF


def log_seed(node: str, log_id: str) -> int:
    """Where the checksums of one log start."""
    return crc32(f"{node}/{log_id}".encode())


def row_checksum(seed: int, seq: int, raw: bytes) -> int:
    """CRC-32 of a row; another seq or another log gives another value."""
    return crc32(raw, (seed + seq) & _MASK)


def is_whole(raw: object, seed: int, seq: object, checksum: object) -> TypeGuard[bytes]:
    """Whether a row read back is the one that was written; a damaged page may give values of any type."""
    return isinstance(raw, bytes) and isinstance(seq, int) and crc32(raw, (seed + seq) & _MASK) == checksum


def is_whole_fact(value: object, key: str, checksum: object) -> TypeGuard[bytes]:
    """The same for a small fact."""
    return isinstance(value, bytes) and fact_checksum(key, value) == checksum


def fact_checksum(key: str, value: bytes) -> int:
    """CRC-32 of a small fact and its name."""
    return crc32(value, crc32(key.encode()))
