"""Processes, limits, logs, verification, publishing: everything between a granted lease and frames on disk."""

from peerfarm.runner.attemptlog import LogPart
from peerfarm.runner.runner import ProcessRunner, RunnerNews

__all__ = ["LogPart", "ProcessRunner", "RunnerNews"]
