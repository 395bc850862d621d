"""Settings of one node and where its files live. Cheap to import: YAML and platformdirs are loaded when needed."""

from __future__ import annotations

from peerfarm.config.home import find_home
from peerfarm.config.load import describe_settings, load_settings
from peerfarm.config.save import save_setting
from peerfarm.config.settings import CommandApp, Home, Settings, SharedRoot

__all__ = [
    "CommandApp",
    "Home",
    "Settings",
    "SharedRoot",
    "describe_settings",
    "find_home",
    "load_settings",
    "save_setting",
]
