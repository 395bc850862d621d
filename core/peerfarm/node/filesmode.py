"""How a job's files reach the workers where its author does not say; asked of the node that takes the submission."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    paths = [path for step in spec.steps for path in app_named(step.app).paths(step.params)]
    paths += [step.output_dir for step in spec.steps if step.output_dir]
    return FilesMode.PEERS if _outside(paths, shared, system) else FilesMode.SHARED


def not_shared(scene: str, folders: Sequence[str], shared: Iterable[SharedPaths], system: str) -> list[str]:
    """The folders with files of a scene that do not lie on shared storage, though the scene itself does.

    Rendered where it lies, it would lack them on every other machine.
    """
    shared = tuple(shared)
    return [] if _outside([scene], shared, system) else _outside(folders, shared, system)


def _outside(paths: Iterable[str], shared: Iterable[SharedPaths], system: str) -> list[str]:
    prefixes = [prefix for root in shared if (prefix := split_path(getattr(root, system)))]
    is_folding = system in FOLDING_SYSTEMS

    def is_inside(path: str) -> bool:
        parts = split_path(path)
        return parts is not None and any(starts_with(parts, prefix, is_folding) for prefix in prefixes)

    return [path for path in paths if not is_inside(path)]
