"""Waiting for a process: its output, its end, or being woken, whichever comes first."""

from __future__ import annotations

import math
import os
import queue
import select
import subprocess
import threading
from typing import Protocol

_READ_BYTES = 64 * 1024


class Stream(Protocol):
    """One process's output and end, for the thread that runs it."""

    has_ended: bool
    """The process is over; others may still hold its output open."""
    is_silent: bool
    """Nobody can print any more."""

    def wait(self, timeout_s: float) -> bytes:
        """What was printed; empty when the time passed, the process ended or `wake` was called first."""

    def wake(self) -> None:
        """Make `wait` return; from any thread, also when all is over."""

    def close(self) -> None:
        """Let go of what the stream holds."""


class PollStream:
    """Linux: one poll over the pipe, the process's handle and a bell. The process is not reaped."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.has_ended = False
        self.is_silent = False
        self._output = output
        self._lock = threading.Lock()
        self._handle = os.pidfd_open(process.pid)
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        os.set_blocking(output, False)
        self._poll = select.poll()
        for descriptor in (self._output, self._handle, self._bell):
            self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout_s: float) -> bytes:
        """See `Stream.wait`."""
        timeout_ms = None if math.isinf(timeout_s) else max(0, math.ceil(timeout_s * 1000))
        data = b""
        for descriptor, _ in self._poll.poll(timeout_ms):
            if descriptor == self._output:
                data = self._read()
            elif descriptor == self._handle:
                self.has_ended = True
                self._poll.unregister(descriptor)
            else:
                os.eventfd_read(self._bell)
        return data

    def _read(self) -> bytes:
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self.is_silent = True
            self._poll.unregister(self._output)
        return data

    def wake(self) -> None:
        """See `Stream.wake`."""
        with self._lock:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """See `Stream.close`."""
        with self._lock:
            bell, self._bell = self._bell, -1
        for descriptor in (bell, self._handle, self._output):
            os.close(descriptor)


class QueueStream:
    """Everywhere else: two short-lived threads wait and put what comes into a queue. The process is reaped."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.has_ended = False
        self.is_silent = False
        self._output = output
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=64)
        self._ended = threading.Event()
        self._silent = threading.Event()
        self._is_closed = False
        threading.Thread(target=self._read, name="peerfarm-output", daemon=True).start()
        threading.Thread(target=self._await, args=(process,), name="peerfarm-await", daemon=True).start()

    def _read(self) -> None:
        try:
            while data := os.read(self._output, _READ_BYTES):
                if not self._is_closed:
                    self._queue.put(data)
        finally:
            os.close(self._output)
            self._silent.set()
            self.wake()

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._ended.set()
        self.wake()

    def wait(self, timeout_s: float) -> bytes:
        """See `Stream.wait`."""
        try:
            data = self._queue.get(timeout=None if math.isinf(timeout_s) else max(0.0, timeout_s))
        except queue.Empty:
            data = None
        self.has_ended = self._ended.is_set()
        self.is_silent = self._silent.is_set() and self._queue.empty()
        return data or b""

    def wake(self) -> None:
        """See `Stream.wake`; a full queue wakes by itself."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return

    def close(self) -> None:
        """The reading thread closes the output when its writers are gone; make room for its last words."""
        self._is_closed = True
        while not self._queue.empty():
            self._queue.get_nowait()


def open_stream(process: subprocess.Popen[bytes], output: int) -> Stream:
    """The best stream that this system offers; owns the descriptor `output` from now on."""
    if hasattr(os, "pidfd_open") and hasattr(os, "eventfd"):
        return PollStream(process, output)
    return QueueStream(process, output)
