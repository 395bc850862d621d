"""Tells plug-ins how this node is started, for the button that starts it again."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

LAUNCH = "launch.json"
"""Beside `local.json`; stays when the node stops."""
_KEPT = ("PEERFARM_HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Without these another node would start, or none; an application's own are not passed on."""

_logger = logging.getLogger(__name__)


def write_launch(local_file: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Write `{argv, environment}` beside the local file, readable by its user alone; a failure is only logged."""
    told = {
        "argv": [sys.executable, "-m", "peerfarm", "start"],
        "environment": {name: environ[name] for name in _KEPT if environ.get(name)},
    }
    path = local_file.with_name(LAUNCH)
    draft = path.with_name(f".{LAUNCH}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(told, file)
        draft.replace(path)
    except OSError as error:
        _logger.warning("%s could not be written: %s", path, error.strerror or error)
