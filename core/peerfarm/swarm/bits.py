"""Sets of blocks as whole numbers, bit i for block i, and chance that follows from a seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_SLICE = 512
_SLICE_MASK = (1 << _SLICE) - 1


def bits_from(mask: int, start: int) -> Iterator[int]:
    """The set bits, upwards from `start` and then round from 0."""
    for base, part in ((start, mask >> start), (0, mask & ((1 << start) - 1))):
        at, rest = base, part
        while rest:
            low = rest & _SLICE_MASK
            if not low:
                skip = (rest & -rest).bit_length() - 1
                at, rest = at + skip, rest >> skip
                continue
            while low:
                bit = low & -low
                yield at + bit.bit_length() - 1
                low ^= bit
            at, rest = at + _SLICE, rest >> _SLICE


def mask_of(bits: Iterable[int], size: int) -> int:
    """The set of these bits, all below `size`; cheap for many of them."""
    packed = bytearray((size + 7) // 8)
    for bit in bits:
        packed[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(packed, "little")


class Counters:
    """How often each bit was added: bit i of plane p is bit p of the count of i."""

    __slots__ = ("_planes",)

    def __init__(self) -> None:
        self._planes: list[int] = []

    def add(self, mask: int) -> None:
        """Count each of these bits once more."""
        for place, plane in enumerate(self._planes):
            if not mask:
                return
            self._planes[place], mask = plane ^ mask, plane & mask
        if mask:
            self._planes.append(mask)

    def subtract(self, mask: int) -> None:
        """Count each of these bits, which were all added before, once less."""
        for place, plane in enumerate(self._planes):
            if not mask:
                return
            self._planes[place], mask = plane ^ mask, mask & ~plane

    def counted(self) -> int:
        """The bits that count at least 1."""
        union = 0
        for plane in self._planes:
            union |= plane
        return union

    def least(self, mask: int) -> int:
        """Those of these bits that count least."""
        for plane in reversed(self._planes):
            mask = (mask & ~plane) or mask
        return mask

    def count(self, bit: int) -> int:
        """Of one bit."""
        return sum(((plane >> bit) & 1) << place for place, plane in enumerate(self._planes))


class Chance:
    """Numbers that look random and follow from a seed (splitmix64); nothing secret depends on them."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & 0xFFFF_FFFF_FFFF_FFFF

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1; the limit is at least 1."""
        self._state = (self._state + 0x9E37_79B9_7F4A_7C15) & 0xFFFF_FFFF_FFFF_FFFF
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9) & 0xFFFF_FFFF_FFFF_FFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB) & 0xFFFF_FFFF_FFFF_FFFF
        return (mixed ^ (mixed >> 31)) % limit
