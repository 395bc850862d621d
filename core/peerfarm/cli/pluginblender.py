"""Asks a Blender, without its windows, to switch the add-on on or off in its user's preferences."""

from __future__ import annotations

import os
import subprocess

from peerfarm.cli.pluginplaces import ADD_ON, FORMER_ADD_ON

LIMIT_S = 120.0
_TOLD = "PEERFARM "
# It may be an extension as well, which Blender calls bl_ext.REPOSITORY.NAME; one of the two is enough.
_IS_ON = f"any(name.rpartition('.')[2] == {ADD_ON!r} for name in bpy.context.preferences.addons.keys())"
_TELL = f"import bpy; print({_TOLD!r} + str({_IS_ON}))"
_FORGET = f"import addon_utils; addon_utils.disable({FORMER_ADD_ON!r}, default_set=True)"
_ENABLE = f"import addon_utils; addon_utils.enable({ADD_ON!r}, default_set=True, persistent=True)"
_DISABLE = f"import addon_utils; addon_utils.disable({ADD_ON!r}, default_set=True)"
_SAVE = "import bpy; bpy.ops.wm.save_userpref()"


def enable(program: str) -> bool:
    """Switch the add-on on; False when that Blender does not do it."""
    return is_enabled(program) is True or _ask(program, _FORGET, _ENABLE, _SAVE, _TELL) is True


def disable(program: str) -> bool:
    """Switch the add-on off where it is on, before its files are removed: else Blender would miss it at each start.

    False when that Blender does not do it, or does not tell.
    """
    return is_enabled(program) is False or _ask(program, _DISABLE, _SAVE, _TELL) is False


def is_enabled(program: str) -> bool | None:
    """Whether the add-on is switched on; None when that Blender does not tell."""
    return _ask(program, _TELL)


def _ask(program: str, *lines: str) -> bool | None:
    # Blender brings its own Python: paths of ours would lead it to packages of another.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        told = subprocess.run(  # noqa: S603 - a program that was found where applications are installed
            [program, "-b", "-noaudio", "--python-expr", "\n".join(lines)],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    answers = [line.removeprefix(_TOLD).strip() for line in told.splitlines() if line.startswith(_TOLD)]
    return answers[-1] == "True" if answers else None
