"""The table of settings: for each key what it may hold, in the file and in the environment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from peerfarm.config.nearest import did_you_mean
from peerfarm.config.settings import CommandApp, SharedRoot

MAX_LIST = 256
_NAME = re.compile(r"[^\W_][\w.\- ]{0,63}")
_COMMAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.\-]{1,253}):([0-9]{1,5})")
_WINDOWS_ROOT = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\/]+[\\/][^\\/]+")
_SHARED_HINT = "shared: [{linux: /mnt/projects, darwin: /Volumes/projects, windows: 'P:\\projects'}]"
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class WrongValue(Exception):
    """A value does not fit its setting; `load` and `save` add where it stands and raise ConfigError."""

    def __init__(self, problem: str, hint: str = "", key: str | int | None = None) -> None:
        super().__init__(problem)
        self.hint = hint
        self.key = key
        """The key or index inside the setting; None for the setting as a whole."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the settings file."""

    check: Callable[[Any], Any]
    """From the file's value to the value in Settings; raises WrongValue."""
    from_text: Callable[[str], Any]
    """From a variable's text to what the file would hold."""


def _show(value: object) -> str:
    if isinstance(value, str):
        return f'"{value[:60]}"'
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else str(value)[:60]


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValue(f"must be true or false, not {_show(value)}")
    return value


def _number(low: float, high: float, kind: type[int | float]) -> Callable[[Any], Any]:
    wanted = f"must be {'a whole number' if kind is int else 'a number'} from {low:g} to {high:g}"

    def check(value: Any) -> Any:
        is_number = isinstance(value, int) or (kind is float and isinstance(value, float) and math.isfinite(value))
        if not is_number or isinstance(value, bool) or not low <= value <= high:
            raise WrongValue(f"{wanted}, not {_show(value)}")
        return kind(value)

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValue(f"must be text, not {_show(value)}", "Put it in quotes." if value is not None else "")
    if len(value) > 4096 or not value.isprintable():
        raise WrongValue("must be at most 4096 printable characters")
    return value


def _name(value: Any) -> str:
    text = _text(value)
    if not _NAME.fullmatch(text) or text.endswith(" "):
        raise WrongValue(
            f"{_show(text)} is no name",
            "Names are 1 to 64 letters, digits, spaces or . _ - and begin with a letter or digit.",
        )
    return text


def _own_name(value: Any) -> str:
    return "" if value == "" else _name(value)


def _path(value: Any) -> str:
    text = _text(value)
    path = os.path.expanduser(text)  # noqa: PTH111 - the setting stays text, as jobs' paths are
    if not os.path.isabs(path):  # noqa: PTH117 - as above
        raise WrongValue(f"{_show(text)} is no absolute path", "Write it out from the root, or from ~.")
    return os.path.normpath(path)


def _address(value: Any) -> str:
    text = _text(value)
    found = _ADDRESS.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise WrongValue(f"{_show(text)} is no address", "Write NAME:PORT, 192.168.1.20:7101 or [fe80::1]:7101.")
    return text


def _listen(value: Any) -> str:
    import ipaddress  # noqa: PLC0415 - only where the owner sets an address

    text = _text(value)
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise WrongValue(
            f"{_show(text)} is no IP address",
            "Write one of this machine, 0.0.0.0 for all of them, or '' to only dial out. The port is `port`.",
        ) from None


def _list_of(check: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    def check_all(value: Any) -> tuple[str, ...]:
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list):
            raise WrongValue(f"must be a list, not {_show(value)}")
        if len(entries) > MAX_LIST:
            raise WrongValue(f"holds {len(entries)} entries, more than {MAX_LIST}")
        found: dict[str, None] = {}
        for number, entry in enumerate(entries):
            try:
                found[check(entry)] = None
            except WrongValue as error:
                raise WrongValue(str(error), error.hint, number) from None
        return tuple(found)

    return check_all


def _command(value: Any) -> CommandApp:
    if not isinstance(value, dict):
        raise WrongValue(f"must be a mapping with `allow`, not {_show(value)}", "command: {allow: {NAME: /PATH}}")
    for key in value:
        if key != "allow":
            raise WrongValue(f'has no key "{key[:60]}"', did_you_mean(key, ["allow"]), key)
    allow = value.get("allow", {})
    if not isinstance(allow, dict):
        raise WrongValue(f"must map names to paths, not {_show(allow)}", "command: {allow: {NAME: /PATH}}", "allow")
    checked: dict[str, str] = {}
    for name, path in allow.items():
        if not _COMMAND.fullmatch(name):
            raise WrongValue(f"{_show(name)} is no name for a command", "Use letters, digits and . _ - only.", "allow")
        try:
            checked[name] = _path(path)
        except WrongValue as error:
            raise WrongValue(str(error), error.hint, "allow") from None
    return CommandApp(checked)


def _shared(value: Any) -> tuple[SharedRoot, ...]:
    entries = [value] if isinstance(value, str | dict) else value
    if not isinstance(entries, list):
        raise WrongValue(f"must be a list, not {_show(value)}", "Begin each directory with a dash.")
    if len(entries) > MAX_LIST:
        raise WrongValue(f"holds {len(entries)} entries, more than {MAX_LIST}")
    found = []
    for number, entry in enumerate(entries):
        try:
            found.append(_shared_root(entry))
        except WrongValue as error:
            raise WrongValue(str(error), error.hint, number) from None
    return tuple(found)


def _shared_root(entry: Any) -> SharedRoot:
    if isinstance(entry, str):
        path = _path(entry)
        return SharedRoot(windows=path) if os.name == "nt" else SharedRoot(linux=path, darwin=path)
    if not isinstance(entry, dict) or not entry:
        raise WrongValue(f"must be a path, or paths by system, not {_show(entry)}", _SHARED_HINT)
    checked = {}
    for system, path in entry.items():
        if system not in {"linux", "darwin", "windows"}:
            raise WrongValue(
                f"knows no system {_show(system)}", did_you_mean(str(system), ["linux", "darwin", "windows"])
            )
        text = _text(path)
        is_absolute = bool(_WINDOWS_ROOT.match(text)) if system == "windows" else text.startswith("/")
        if not is_absolute:
            raise WrongValue(f"{_show(text)} is no absolute path on {system}", _SHARED_HINT)
        checked[system] = text
    return SharedRoot(**checked)


def _flag_of(text: str) -> Any:
    word = text.strip().casefold()
    return True if word in _YES else False if word in _NO else text


def _number_of(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _split(separator: str) -> Callable[[str], list[str]]:
    return lambda text: [part.strip() for part in text.split(separator) if part.strip()]


def _command_of(text: str) -> Any:
    pairs = [part.partition("=") for part in text.split(os.pathsep) if part.strip()]
    return {"allow": {name.strip(): path.strip() for name, _, path in pairs}}


def _whole(low: int, high: int) -> Setting:
    return Setting(_number(low, high, int), _number_of)


_NAMES = Setting(_list_of(_name), _split(","))
_ADDRESSES = Setting(_list_of(_address), _split(","))
_PATHS = Setting(_list_of(_path), _split(os.pathsep))

SETTINGS: Mapping[str, Setting] = {
    "name": Setting(_own_name, str),
    "render": Setting(_yes_or_no, _flag_of),
    "slots": _whole(1, 64),
    "pools": _NAMES,
    "tags": _NAMES,
    "roots": _PATHS,
    "listen": Setting(_listen, str),
    "port": _whole(0, 65535),
    "advertise": _ADDRESSES,
    "seeds": _ADDRESSES,
    "local_port": _whole(0, 65535),
    "shared": Setting(_shared, _split(os.pathsep)),
    "transfer_port": _whole(0, 65535),
    "store_gb": _whole(1, 1_000_000),
    "upload_mb_s": Setting(_number(0, 100_000, float), _number_of),
    "upload_busy_mb_s": Setting(_number(0, 100_000, float), _number_of),
    "nice": _whole(0, 19),
    "notice_s": Setting(_number(0, 600, float), _number_of),
    "log_limit_mb": _whole(1, 1024),
    "keep_logs_days": _whole(0, 3650),
    "blender": _PATHS,
    "maya": _PATHS,
    "aftereffects": _PATHS,
    "command": Setting(_command, _command_of),
}
"""Every key of `peerfarm.yaml`; the variable of a key is `PEERFARM_` and the key in capitals."""
