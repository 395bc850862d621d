"""Settings from the file `peerfarm.yaml` and the environment's `PEERFARM_*`, which has the last word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peerfarm.config.fields import SETTINGS, WrongValue
from peerfarm.config.nearest import did_you_mean, nearest_name
from peerfarm.config.settings import CommandApp, Settings, SharedRoot
from peerfarm.errors import ConfigError

if TYPE_CHECKING:
    from peerfarm.config.document import Document

PREFIX = "PEERFARM_"
OTHER_VARIABLES = ("PEERFARM_HOME", "PEERFARM_JOIN", "PEERFARM_VENV", "PEERFARM_SIM_SEEDS")
"""Variables that are no settings: the node's place, unattended joining, and two of `install/bootstrap.py`."""
MAX_FILE = 256 * 1024
"""Characters of a settings file."""


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in force: defaults, then the file, then the environment.

    Args:
        path: The settings file; one that does not exist says nothing.
        environ: `PEERFARM_SLOTS=2` overrides `slots`. Paths in `PEERFARM_ROOTS` and `PEERFARM_BLENDER` are separated
            as in PATH, other lists by commas; `PEERFARM_COMMAND` holds `NAME=/PATH`, separated as in PATH.

    Raises:
        ConfigError: The file or a variable is wrong; names the key with its line, or the variable.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    document = read_settings(path)
    if document is not None:
        for key, value in check_document(document, str(path)).items():
            values[key] = value
            sources[key] = "file"
    for key, value in _overrides(environ).items():
        values[key] = value
        sources[key] = PREFIX + key.upper()
    return Settings(**values, sources=sources)


def describe_settings(settings: Settings) -> dict[str, dict[str, Any]]:
    """Every setting in the file's order: `{"value": plain data, "source": "default", "file" or the variable}`."""
    defaults = Settings()
    described = {}
    for key in SETTINGS:
        value = getattr(settings, key)
        fallback = "default" if value == getattr(defaults, key) else "program"
        described[key] = {"value": plain_value(value), "source": settings.sources.get(key, fallback)}
    return described


def plain_value(value: Any) -> Any:
    """A setting's value as the file would hold it."""
    if isinstance(value, CommandApp):
        return {"allow": dict(value.allow)}
    if isinstance(value, SharedRoot):
        return {key: path for key in ("linux", "darwin", "windows") if (path := getattr(value, key))}
    return [plain_value(entry) for entry in value] if isinstance(value, tuple) else value


def read_settings(path: Path) -> Document | None:
    """What the file says, unchecked; None when there is no file.

    Raises:
        ConfigError: The file cannot be opened, or is no YAML.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8: {error.reason}", "Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "Make it readable, or move it away.") from error
    from peerfarm.config.document import read_document  # noqa: PLC0415 - YAML is loaded only where a file exists

    return read_document(text, refuse_as=ConfigError, largest=MAX_FILE, source=str(path))


def check_document(document: Document, source: str) -> dict[str, Any]:
    """The checked values of the keys that the file gives; see load_settings for errors."""
    from peerfarm.config.document import at_line  # noqa: PLC0415 - as in read_settings

    if document.value is None:
        return {}
    if not isinstance(document.value, dict):
        raise ConfigError(f"{source}: the settings must be lines of the form `key: value`")
    checked = {}
    for key, value in document.value.items():
        where = at_line(source, document.line_of((key,)))
        if key not in SETTINGS:
            raise ConfigError(f'{where}there is no setting "{_readable(key)}"', did_you_mean(key, SETTINGS))
        try:
            checked[key] = check_setting(key, _as_text(document, key, value))
        except WrongValue as error:
            where = at_line(source, document.line_of((key,) if error.key is None else (key, error.key)))
            raise ConfigError(f"{where}{_spot(key, error)} {error}", error.hint) from None
    return checked


def check_setting(key: str, value: Any) -> Any:
    """The value as Settings holds it; raises WrongValue."""
    return SETTINGS[key].check(value)


def _as_text(document: Document, key: str, value: Any) -> Any:
    """A name such as 010 is read as a number by YAML; people mean what they wrote."""
    if key in {"name", "listen"}:
        return document.written.get((key,), value)
    if key in {"pools", "tags"} and isinstance(value, list):
        return [document.written.get((key, number), entry) for number, entry in enumerate(value)]
    return value


def _overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    checked = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        key = variable.removeprefix(PREFIX).lower()
        if key not in SETTINGS or variable != PREFIX + key.upper():
            near = nearest_name(key, SETTINGS)
            hint = f"Did you mean {PREFIX}{near.upper()}?" if near else "`peerfarm config` lists the settings."
            raise ConfigError(f"the environment variable {_readable(variable)} is none of peerfarm's", hint)
        setting = SETTINGS[key]
        try:
            checked[key] = setting.check(setting.from_text(environ[variable]))
        except WrongValue as error:
            raise ConfigError(f"the environment variable {variable}: {_spot(key, error)} {error}", error.hint) from None
    return checked


def _spot(key: str, error: WrongValue) -> str:
    if error.key is None:
        return key
    return f"{key}[{error.key}]" if isinstance(error.key, int) else f"{key}.{_readable(error.key)}"


def _readable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:60])
