# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending without a window: `blender -b scene.blend --python-expr "import bpy; bpy.ops.peerfarm.send()"`."""

from __future__ import annotations

from typing import Any

import bpy

from . import checks
from .client import Fault, call_once
from .draft import Draft

VERSION = "0.1.0"
"""As in `bl_info`, which Blender takes away from extensions, and in the manifest."""
ANSWER_S = 30.0
SUBMIT_LIMIT_S = 300.0
"""Without any progress; large scenes are read and hashed before they are in."""


def application() -> str:
    """How this Blender calls itself to the node."""
    return f"blender {bpy.app.version_string}"


def submit(*, anyway: bool = False, copy: bool = False) -> str:
    """Send the open scene and wait until the farm has it; gives the job's id. See `submit` of the add-on."""
    draft = Draft(bpy.context.scene, copy=copy)
    try:
        return _submit(draft, anyway=anyway)
    except Fault:
        draft.drop()
        raise


def _submit(draft: Draft, *, anyway: bool) -> str:
    nodes = _call("nodes", {}, ANSWER_S)["nodes"]
    findings = checks.check(draft.settings, nodes, checks.missing_of(draft.settings.named_files))
    for finding in findings:
        if finding.severity == checks.STOP or (finding.severity == checks.ASK and not anyway):
            raise Fault(finding.sentence, finding.what_to_do)
        print(f"peerfarm: {finding.sentence} {finding.what_to_do}")
    allowed = checks.allowances(findings)
    while True:
        try:
            answer = _call("submit", draft.request(allowed), SUBMIT_LIMIT_S)
            break
        except Fault as fault:
            refused = checks.refused(fault.sentence, fault.hint)
            more = checks.allowances([refused]) - allowed
            if not (anyway and more):
                raise Fault(refused.sentence, refused.what_to_do) from fault
            allowed |= more
    draft.sent(answer)
    for warning in answer.get("warnings", ()):
        print(f"peerfarm: {warning}")
    job = str(answer["job"])
    print(f"peerfarm: sent {draft.settings.name} as job {job}: {answer['frames']} frames in {answer['tasks']} tasks")
    return job


def _call(method: str, params: dict[str, Any], limit_s: float) -> dict[str, Any]:
    answer: dict[str, Any] = call_once(application(), VERSION, method, params, timeout_s=limit_s)
    return answer
