"""Reading a local request's parameters."""

from __future__ import annotations

from typing import Any

from peerfarm.errors import RequestRefused
from peerfarm.model.job import JobSpec
from peerfarm.node.inputs import LocalRequest


def need(request: LocalRequest, field: str, kind: type) -> Any:
    """That field; RequestRefused when it is missing or of another type."""
    value = request.params.get(field)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RequestRefused(f"{request.method} needs {field} as {kind.__name__}", "see the README of the gateway")
    return value


def optional(request: LocalRequest, field: str, kind: type, default: Any) -> Any:
    """That field, or the default when it is not given."""
    return default if request.params.get(field) is None else need(request, field, kind)


def step_number(spec: JobSpec, step: Any) -> int:
    """The index of the step with that name or number."""
    names = [s.name for s in spec.steps]
    for number, name in enumerate(names):
        if step in (number, name) or str(step) == str(number):
            return number
    raise RequestRefused(f"the job has no step {step!r}", f"its steps: {', '.join(names)}")
