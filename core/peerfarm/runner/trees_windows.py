"""Ending a process and all that descends from it on Windows, by a Job Object. Written from documentation; not run."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes  # noqa: E402 - what follows exists on Windows alone
import subprocess  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from ctypes import wintypes  # noqa: E402
from typing import Any  # noqa: E402

_EXTENDED_LIMITS = 9
_KILL_ON_JOB_CLOSE = 0x2000
_CREATE_SUSPENDED = 0x4
_BELOW_NORMAL = 0x4000
_NO_WINDOW = 0x08000000

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.CreateJobObjectW.restype = wintypes.HANDLE
_ntdll = ctypes.WinDLL("ntdll")


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", wintypes.DWORD),
        ("minimum_set", ctypes.c_size_t),
        ("maximum_set", ctypes.c_size_t),
        ("active_processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD),
        ("scheduling", wintypes.DWORD),
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("basic", _BasicLimits),
        ("counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    ]


def adopt_orphans() -> None:
    """Nothing to do: a job object holds every descendant."""


def start_options() -> dict[str, Any]:
    """Start suspended, so that no child can be born before the process belongs to its job object."""
    return {"creationflags": _CREATE_SUSPENDED | _BELOW_NORMAL | _NO_WINDOW}


class Tree:
    """One attempt's processes; they die with the node, for it holds the job object's only handle."""

    def __init__(self, process: subprocess.Popen[bytes], label: str) -> None:  # noqa: ARG002 - the job object is the mark
        self._job = _kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.basic.flags = _KILL_ON_JOB_CLOSE
        handle = wintypes.HANDLE(int(process._handle))  # noqa: SLF001 - Popen offers no other way
        job = wintypes.HANDLE(self._job)
        is_held = (
            self._job
            and _kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
            and _kernel.AssignProcessToJobObject(job, handle)
        )
        if not is_held:
            process.kill()
            raise ctypes.WinError(ctypes.get_last_error())
        _ntdll.NtResumeProcess(handle)

    def settle(self, nice: int) -> str:  # noqa: ARG002 - done at the start
        """Births need not be known: no process outlives the node."""
        return ""

    def ask(self) -> None:
        """A program without window or console cannot be asked."""

    def sweep(self) -> int:
        """End what the first process left behind."""
        return self.kill()

    def kill(self) -> int:
        """End the whole tree at once."""
        _kernel.TerminateJobObject(wintypes.HANDLE(self._job), 1)
        return 0

    def close(self) -> None:
        """Let go of the job object, which ends whatever is still in it."""
        _kernel.CloseHandle(wintypes.HANDLE(self._job))


def kill_family(roots: Callable[[], Iterable[int]], labels: Iterable[str]) -> int:  # noqa: ARG001 - see Tree
    """Nothing can be left over."""
    return 0
