# SPDX-License-Identifier: GPL-3.0-or-later
"""What to mind before a scene is sent, each with what to do about it. Pure: facts in, findings out."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import job
from .job import Settings

STOP, ASK, NOTE = "stop", "ask", "note"
SHOWN = 3
_FRAMES = re.compile(r"\s*-?\d+(\s*-\s*-?\d+(\s*x\s*\d+)?)?\s*(,\s*-?\d+(\s*-\s*-?\d+(\s*x\s*\d+)?)?\s*)*")
_MISSING = "the scene needs files that are not there"
_EXISTING = "frames of that name exist already"

Node = Mapping[str, Any]
"""One entry of the node's answer to `nodes`."""


@dataclass(frozen=True)
class Finding:
    """One thing that an artist should know before the scene goes."""

    severity: str
    """STOP: it cannot be sent like that. ASK: it can, if she wants. NOTE: it goes, and this is told."""
    sentence: str
    what_to_do: str
    allows: str = ""
    """ASK: the field of `job.build_job` that is set when she sends it anyway; empty for none."""


def check(settings: Settings, nodes: Sequence[Node] | None, missing: Sequence[str]) -> list[Finding]:
    """Everything that is found, the gravest first.

    Args:
        nodes: The farm; None when it is not known.
        missing: Which of `settings.named_files` are not on the disk.
    """
    found = [*check_scene(settings), *_files(missing)]
    if nodes is not None:
        found += _farm(settings, nodes)
    return sorted(found, key=lambda finding: (STOP, ASK, NOTE).index(finding.severity))


def check_scene(settings: Settings) -> list[Finding]:
    """What the scene alone shows, without a look at the disk or the farm."""
    return [*_stops(settings), *_notes(settings)]


def _stops(settings: Settings) -> list[Finding]:
    found = []

    def stop(sentence: str, what_to_do: str) -> None:
        found.append(Finding(STOP, sentence, what_to_do))

    if not settings.scene_file:
        stop("This scene was never saved.", "Save it once (File > Save); later changes are sent without saving.")
    if settings.cameras == ():
        stop("No camera is chosen.", "Tick at least one, or choose the scene's camera.")
    elif settings.cameras is None and not settings.camera and not settings.uses_sequencer:
        stop("The scene has no active camera.", "Add a camera, or make one active (View > Cameras).")
    if settings.view_layers == ():
        stop("No view layer is chosen.", "Tick at least one, or choose all in one picture.")
    elif settings.view_layers is None and not settings.layers_in_use:
        stop("No view layer is used for rendering.", "Switch one on: View Layer properties > Use for Rendering.")
    if not _FRAMES.fullmatch(settings.frames):
        stop(f"The frames cannot be read: {settings.frames or 'nothing'}.", "Write them like 1-60 or 1-100x5,200.")
    if not settings.output_dir or not os.path.isabs(settings.output_dir):
        stop("There is no output folder.", "Choose one, e.g. //frames/ for a folder beside the scene.")
    if settings.has_split_views:
        stop("The scene writes one file for each eye.", "Choose Stereo 3D as views format (Output > Stereoscopy).")
    if not settings.is_movie and settings.file_format not in job.EXTENSIONS:
        stop(f"The farm cannot check files of the format {settings.file_format}.", "Choose PNG or OpenEXR.")
    steps = len(job.combinations(settings))
    if steps > job.MAX_STEPS:
        stop(f"View layers times cameras make {steps} sets of frames; a job holds {job.MAX_STEPS}.", "Choose fewer.")
    return found


def _notes(settings: Settings) -> list[Finding]:
    found = []
    if settings.is_movie:
        sentence = "The scene writes a movie, which several machines cannot write together."
        found.append(Finding(ASK, sentence, "Send anyway for PNG frames, or choose an image format under Output."))
    if settings.unsaved_images:
        sentence = f"Painted but not saved: {_listed(settings.unsaved_images)}."
        found.append(Finding(ASK, sentence, "Save them in the image editor (Image > Save), or pack them."))
    if settings.file_output_nodes:
        sentence = "File Output nodes of the compositor write nothing unless the job is on shared storage."
        found.append(Finding(NOTE, sentence, "Only the main picture comes back; use multilayer OpenEXR for passes."))
    if _is_temporary(settings.output_dir):
        sentence = f"The frames go to {settings.output_dir}, which this machine may empty at any time."
        found.append(Finding(NOTE, sentence, "Choose another output folder to keep them."))
    return found


def _is_temporary(directory: str) -> bool:
    places = ("/tmp", tempfile.gettempdir())  # noqa: S108 - Blender's own default output
    return bool(directory) and os.path.normpath(directory) in {os.path.normpath(place) for place in places}


def _files(missing: Sequence[str]) -> list[Finding]:
    if not missing:
        return []
    there = f"{len(missing)} files are missing" if len(missing) > 1 else "A file is missing"
    what_to_do = "Use File > External Data > Find Missing Files, or send anyway to render without."
    return [Finding(ASK, f"{there}: {_listed(missing)}.", what_to_do, "allow_missing")]


def _farm(settings: Settings, nodes: Sequence[Node]) -> list[Finding]:
    workers = [node for node in nodes if node.get("state") in ("live", "suspect") and node.get("render")]
    if not workers:
        return [Finding(ASK, "No machine of the farm renders now.", "Send anyway: the job waits until one comes.")]
    if settings.pool:
        pools = sorted({pool for node in workers for pool in node.get("pools") or ()})
        workers = [node for node in workers if settings.pool in (node.get("pools") or ())]
        if not workers:
            known = f"Pools are: {', '.join(pools)}." if pools else "No machine is in any pool: leave the pool empty."
            return [Finding(ASK, f"No machine is in the pool {settings.pool}.", known)]
    found = {str(app["version"]): app for node in workers for app in node.get("apps") or () if app["app"] == "blender"}
    if not found:
        sentence = "No machine of the farm has Blender, or none has looked for it yet."
        return [Finding(ASK, sentence, "Install Blender there; the job waits until one has it.")]
    if settings.wishes_any_version:
        fitting = list(found.values())
    else:
        fitting = [app for version, app in found.items() if (version + ".").startswith(settings.version + ".")]
    if not fitting:
        sentence = f"No machine has Blender {settings.version}; they have {', '.join(sorted(found))}."
        return [Finding(ASK, sentence, "Install that version there, or tick Any Version below.")]
    return _denoiser(settings, workers)


def _denoiser(settings: Settings, workers: Sequence[Node]) -> list[Finding]:
    if not settings.uses_denoiser:
        return []
    apps = [app for node in workers for app in node.get("apps") or () if app["app"] == "blender"]
    if any("denoiser" in (app.get("tags") or ()) for app in apps if _fits(app, settings)):
        return []
    sentence = "The scene denoises, and no fitting Blender of the farm was built with a denoiser."
    return [Finding(ASK, sentence, "Switch it off (Render > Sampling > Denoise), or the job waits for one that can.")]


def _fits(app: Mapping[str, Any], settings: Settings) -> bool:
    return settings.wishes_any_version or f"{app['version']}.".startswith(settings.version + ".")


def refused(sentence: str, hint: str) -> Finding:
    """The node's own refusal; what can be allowed becomes a question."""
    words = sentence[:1].upper() + sentence[1:]
    if sentence.startswith(_MISSING):
        return Finding(ASK, words, "Correct the paths, or send anyway to render without these files.", "allow_missing")
    if sentence.startswith(_EXISTING):
        return Finding(ASK, words, "Choose another output folder, or send anyway to replace them.", "overwrite")
    return Finding(STOP, words, hint)


def allowances(findings: Sequence[Finding]) -> frozenset[str]:
    """What an artist allows who answers these findings with "send anyway"."""
    return frozenset(finding.allows for finding in findings if finding.severity == ASK and finding.allows)


def missing_of(paths: Sequence[str]) -> list[str]:
    """Which of these are not on the disk; slow where the disk is."""
    return [path for path in paths if not os.path.exists(path)]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
