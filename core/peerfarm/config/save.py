"""Changes one key of the settings file and leaves the rest as its owner wrote it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from peerfarm.config.fields import SETTINGS, WrongValue
from peerfarm.config.load import MAX_FILE, check_document, check_setting, plain_value, read_settings
from peerfarm.config.nearest import did_you_mean
from peerfarm.errors import ConfigError

_HEADER = "# Settings of this peerfarm node; `peerfarm config` shows what is in force.\n"


def save_setting(path: Path, key: str, value: Any) -> None:
    """Set one key of the settings file, atomically; comments and the other keys stay.

    Args:
        path: The settings file, or a link to it; made, with its directory, when it does not exist.
        value: As the file would hold it: a list for `roots`.

    Raises:
        ConfigError: The key or value is wrong, the file is wrong as it stands, or cannot be written; it is unchanged.
    """
    if key not in SETTINGS:
        raise ConfigError(f'there is no setting "{key[:60]}"', did_you_mean(key, SETTINGS))
    try:
        plain = plain_value(check_setting(key, list(value) if isinstance(value, tuple) else value))
    except WrongValue as error:
        raise ConfigError(f"{key} {error}", error.hint) from None
    before = read_settings(path)
    old: dict[str, Any] = {}
    if before is not None:
        check_document(before, str(path))
        old = before.value or {}
    _write(path, _changed(path, old, key, plain))


def _changed(path: Path, old: dict[str, Any], key: str, plain: Any) -> str:
    """The new text of the file; written anew, without its comments, only where its form allows no small change."""
    from peerfarm.config.document import read_document  # noqa: PLC0415 - only init and join change settings

    text = path.read_text(encoding="utf-8") if path.exists() else _HEADER
    wanted = {**old, key: plain}
    lines = text.splitlines()
    first, stop = _span(text, key) or (len(lines), len(lines))
    lines[first:stop] = [_entry(key, plain)]
    candidate = "\n".join(lines) + "\n"
    try:
        if read_document(candidate, refuse_as=ConfigError, largest=MAX_FILE).value == wanted:
            return candidate
    except ConfigError:
        pass  # a file in braces, or one that ends in `...`, takes no further line
    return _HEADER + "".join(f"{_entry(name, entry)}\n" for name, entry in wanted.items())


def _entry(key: str, plain: Any) -> str:
    """One line; JSON's spelling is YAML's."""
    return f"{key}: {json.dumps(plain, ensure_ascii=False)}"


def _span(text: str, key: str) -> tuple[int, int] | None:
    """The lines that the key and its value take, from 0, the end excluded; None when the key is not there."""
    import yaml  # noqa: PLC0415 - as above

    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(top, yaml.MappingNode):
        return None
    for name, value in top.value:
        if name.value == key:
            return name.start_mark.line, _last_line(value) + 1
    return None


def _last_line(node: Any) -> int:
    """Where a value ends; a block's own end mark lies behind the comments that follow it."""
    last: int = node.end_mark.line
    if node.end_mark.column == 0 and last > node.start_mark.line:
        last -= 1
    children = [child for pair in node.value for child in (pair if isinstance(pair, tuple) else (pair,))]
    if node.id == "scalar" or node.flow_style or not children:
        return last
    return max(_last_line(child) for child in children)


def _write(path: Path, text: str) -> None:
    import tempfile  # noqa: PLC0415 - loads half the standard library, and only init and join write

    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".peerfarm-", suffix=".yaml")
    except OSError as error:
        raise _refused(path, error) from error
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}", "Is its directory writable, and the disk not full?"
    )
