"""Every app that this version of peerfarm knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from peerfarm.apps.aftereffects import AfterEffectsApp
from peerfarm.apps.base import App
from peerfarm.apps.blender import BlenderApp
from peerfarm.apps.command import CommandApp
from peerfarm.apps.maya import MayaApp
from peerfarm.apps.ocean import OceanApp
from peerfarm.apps.params import nearest
from peerfarm.errors import InvalidJob
from peerfarm.model.render import Capability

_ALL: tuple[App, ...] = (BlenderApp(), MayaApp(), AfterEffectsApp(), OceanApp(), CommandApp())

APPS: Mapping[str, App] = MappingProxyType({app.name: app for app in _ALL})
"""Name -> app."""


def app_named(name: str) -> App:
    """The app of that name.

    Raises:
        InvalidJob: There is none; the hint names the nearest one and all of them.
    """
    app = APPS.get(name)
    if app is None:
        hint = nearest(name, APPS)
        known = "" if hint.startswith("Known") else f" Known are: {', '.join(sorted(APPS))}."
        raise InvalidJob(f"there is no app {name[:80]!r}", hint + known)
    return app


def built_in(python: str, allowed_commands: Mapping[str, str]) -> tuple[Capability, ...]:
    """What a node can run without searching for it.

    Args:
        python: The running Python's executable, absolute.
        allowed_commands: The setting `command.allow`, name -> executable.
    """
    commands = (Capability("command", "", path, (name,)) for name, path in sorted(allowed_commands.items()))
    return (Capability("ocean", "", python), *commands)
