"""A few threads for work on files that may hang, as on a network storage that is gone: only its own lane waits.

Calls of one lane are carried out one after the other, in the order in which they were added; different lanes side by
side. A call that does not move for its limit is given up in words, with all that wait behind it in its lane. Its
thread stays with it, for no system lets go of a hung call; when it comes back after all, the lane goes on.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_logger = logging.getLogger(__name__)

THREADS = 4
"""At most; each is started when it is first needed."""
MAX_WAITING = 1000


@dataclass(slots=True, eq=False)
class Call:
    """Something to do that may hang."""

    lane: str
    """Calls with the same text go one after the other: the root or directory that they work on."""
    what: str
    """The beginning of a sentence: `publishing frames in /projects`."""
    limit_s: float
    """Longest time without a call of `moved`."""
    run: Callable[[Callable[[], None]], None]
    """Does it; its argument is `moved`, to be called after each part."""
    give_up: Callable[[str], None]
    """Told once, in a sentence, that it takes too long or was not begun; what takes too long may still end later."""
    due_s: float = math.inf
    is_late: bool = False


class FilePool:
    """See the module. Everything may be called from any thread and returns at once."""

    def __init__(self, name: str, threads: int = THREADS, room: int = MAX_WAITING) -> None:
        self._name = name
        self._most_threads = threads
        self._room = room
        self._lock = threading.Lock()
        self._is_work_there = threading.Condition(self._lock)
        self._is_watch_needed = threading.Condition(self._lock)
        self._is_over = threading.Condition(self._lock)
        self._waiting: deque[Call] = deque()
        self._running: dict[str, Call] = {}
        self._threads: list[threading.Thread] = []
        self._watcher: threading.Thread | None = None
        self._next_look_s = math.inf
        self._idle = 0
        self._is_closing = False

    def add(self, call: Call) -> None:
        """Do this after what was added before in its lane; given up at once where that cannot be soon."""
        with self._lock:
            why = self._refusal(call)
            if not why:
                self._waiting.append(call)
                if call.lane not in self._running:  # else the thread that is there goes on with it
                    self._wake_one()
        if why:
            call.give_up(why)

    def _refusal(self, call: Call) -> str:
        ahead = self._running.get(call.lane)
        if ahead is not None and ahead.is_late:
            return _late_words(ahead)
        if self._are_all_late():
            return self._stuck_words()
        if len(self._waiting) >= self._room:
            return f"{call.what} was not begun: {self._room} other calls on files wait already. Try again later."
        return ""

    def _are_all_late(self) -> bool:
        return sum(call.is_late for call in self._running.values()) >= self._most_threads

    def _stuck_words(self) -> str:
        stuck = "; ".join(call.what for call in self._running.values())
        return f"the storage does not answer, and {self._most_threads} threads wait for it already: {stuck}"

    def _wake_one(self) -> None:
        if self._idle:
            self._idle -= 1
            self._is_work_there.notify()
        elif len(self._threads) < self._most_threads:
            thread = threading.Thread(target=self._work, name=f"peerfarm-{self._name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._take()) is not None:
            try:
                call.run(lambda call=call: self._moved(call))  # type: ignore[misc]
            except Exception:  # every call turns its own errors into events; this is the last net
                _logger.exception("%s failed", call.what)
            with self._lock:
                del self._running[call.lane]
                if call.is_late:
                    _logger.warning("%s has ended after all", call.what)
                if self._is_closing:
                    self._is_over.notify_all()

    def _take(self) -> Call | None:
        """The next call whose lane is free; None when the pool closes and nothing is left to do."""
        with self._lock:
            while True:
                for call in self._waiting:
                    if call.lane not in self._running:
                        self._waiting.remove(call)
                        self._running[call.lane] = call
                        call.due_s = time.monotonic() + call.limit_s
                        self._watch(call)
                        return call
                if self._is_closing and not self._waiting:
                    return None
                self._idle += 1
                self._is_work_there.wait()

    def _moved(self, call: Call) -> None:
        call.due_s = time.monotonic() + call.limit_s

    # Watching

    def _watch(self, call: Call) -> None:
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._look, name=f"peerfarm-{self._name}-watch", daemon=True)
            self._watcher.start()
        elif call.due_s < self._next_look_s:
            self._is_watch_needed.notify()

    def _look(self) -> None:
        """Sleep until a call may be late: at most once in a limit, and never while nothing is done."""
        while True:
            with self._lock:
                if self._is_closing:
                    return
                now_s = time.monotonic()
                given_up = self._give_up_late(now_s)
                due = [call.due_s for call in self._running.values() if not call.is_late]
                self._next_look_s = min(due, default=math.inf)
                if not given_up:
                    self._is_watch_needed.wait(self._next_look_s - now_s if due else None)
            for call, why in given_up:
                call.give_up(why)

    def _give_up_late(self, now_s: float) -> list[tuple[Call, str]]:
        given_up = []
        for late in [call for call in self._running.values() if not call.is_late and call.due_s <= now_s]:
            late.is_late = True
            behind = [call for call in self._waiting if call.lane == late.lane]
            given_up += [(call, _late_words(late)) for call in (late, *behind)]
        if given_up and self._are_all_late():
            given_up += [(call, self._stuck_words()) for call in self._waiting if call.lane not in self._running]
        gone = {id(call) for call, _ in given_up}
        self._waiting = deque(call for call in self._waiting if id(call) not in gone)
        return given_up

    # The end

    def close(self) -> None:
        """Let it end after what was added so far; see `join`."""
        with self._lock:
            self._is_closing = True
            self._idle = 0
            self._is_work_there.notify_all()
            self._is_watch_needed.notify_all()

    def join(self, limit_s: float) -> bool:
        """Wait for all calls but those that hang; whether all have ended. No thread of it keeps a program alive."""
        with self._lock:
            self._is_over.wait_for(self._has_nothing_to_wait_for, max(0.0, limit_s))
            return not (self._waiting or self._running)

    def _has_nothing_to_wait_for(self) -> bool:
        return not self._waiting and all(call.is_late for call in self._running.values())


def _late_words(call: Call) -> str:
    return (
        f"{call.what} has not moved for {call.limit_s:g} s: the storage does not answer. "
        "Look whether it is mounted and reachable from this machine; what waits for it is tried again."
    )
