"""How a job's files reach the workers where its author does not say; asked of the node that takes the submission."""

from __future__ import annotations

from collections.abc import Iterable

from peerfarm.apps.registry import app_named
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.pathmap import FOLDING_SYSTEMS, SharedPaths, split_path, starts_with


def default_files(spec: JobSpec, shared: Iterable[SharedPaths], system: str) -> FilesMode:
    """`shared` where everything that the job reads and writes lies on shared storage, else `peers`.

    One scene or one output folder on the submitter's own disk is enough for `peers`: the other machines would look for
    it in vain, or write where nobody looks. A job that names no path has nothing to bring along: `shared`.

    Args:
        spec: With checked parameters.
        shared: This node's setting of that name.
        system: Of this machine: "linux", "darwin" or "windows".
    """
    prefixes = [prefix for root in shared if (prefix := split_path(getattr(root, system)))]
    paths = [path for step in spec.steps for path in app_named(step.app).paths(step.params)]
    paths += [step.output_dir for step in spec.steps if step.output_dir]
    is_folding = system in FOLDING_SYSTEMS
    for path in paths:
        parts = split_path(path)
        if parts is None or not any(starts_with(parts, prefix, is_folding) for prefix in prefixes):
            return FilesMode.PEERS
    return FilesMode.SHARED
