"""The virtual clock, the heap of what is to happen, and the trace that makes two runs of a seed comparable."""

from __future__ import annotations

import hashlib
import heapq
import random
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from peerfarm.model.ids import ALPHABET

TAIL_LINES = 60


def say(line: str) -> None:
    """Write a line for whoever runs the simulation."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class PropertyFailed(AssertionError):
    """A property does not hold; the message opens with its name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.property = name


class Clock:
    """Virtual seconds. What is due at the same time happens in the order in which it was planned."""

    def __init__(self, seed: int | str, is_traced: bool = False) -> None:
        self.now_s = 0.0
        self.rng = random.Random(seed)
        self.checked: dict[str, int] = {}
        """How often each property was looked at."""
        self.fired: dict[str, int] = {}
        """How often each fault happened."""
        self.figures: dict[str, float] = {}
        """Measured, for the report."""
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._is_traced = is_traced
        self._hash = hashlib.sha256()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def at(self, time_s: float, do: Callable[..., None], *arguments: Any) -> None:
        """Plan something."""
        self._count += 1
        heapq.heappush(self._heap, (time_s, self._count, do, arguments))

    def after(self, delay_s: float, do: Callable[..., None], *arguments: Any) -> None:
        """Plan something from now on."""
        self.at(self.now_s + delay_s, do, *arguments)

    def run(self, until_s: float) -> None:
        """Let everything happen that is due until then."""
        heap = self._heap
        while heap and heap[0][0] <= until_s:
            self.now_s, _, do, arguments = heapq.heappop(heap)
            self.events += 1
            do(*arguments)
        self.now_s = until_s

    def tell(self, text: str) -> None:
        """One line of the trace."""
        line = f"{self.now_s:9.3f} {text}"
        self._hash.update(line.encode())
        self._tail.append(line)
        if self._is_traced:
            say(line)

    def stir(self, data: bytes) -> None:
        """Let bytes count in the trace's hash without a line of their own."""
        self._hash.update(b"%d " % int(self.now_s * 1e6) + data)

    @property
    def trace_hash(self) -> str:
        """Equal for two runs of a seed, in any process."""
        return self._hash.hexdigest()[:16]

    @property
    def tail(self) -> list[str]:
        """The last lines of the trace."""
        return list(self._tail)

    def mint(self, length: int) -> str:
        """A random id."""
        return "".join(self.rng.choices(ALPHABET, k=length))

    def check(self, name: str, is_right: bool, text: str | Callable[[], str] = "") -> None:
        """Count a look at a property, and stop the run when it does not hold."""
        self.checked[name] = self.checked.get(name, 0) + 1
        if not is_right:
            raise PropertyFailed(name, text if isinstance(text, str) else text())

    def fire(self, name: str, text: str = "") -> None:
        """A fault happens."""
        self.fired[name] = self.fired.get(name, 0) + 1
        self.tell(f"FAULT {name} {text}")
