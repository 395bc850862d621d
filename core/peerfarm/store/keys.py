"""The node's key file: made once, readable by its owner alone, refused when it is not.

How a key pair is drawn is the caller's: this room knows no ZeroMQ.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from peerfarm.errors import ConfigError
from peerfarm.store.durable import write_private

_Z85 = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#")
_KEY_LENGTH = 40
_LARGEST_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, each key 40 characters of Z85."""

    public: str
    secret: str = field(repr=False)
    """Whoever has it can act as this node; never logged or sent."""


def load_or_make_keys(path: Path, make: Callable[[], tuple[str, str]]) -> KeyPair:
    """The node's keys: read from `path`, or drawn and kept there when there is no such file.

    Call it under the home's lock: two nodes that start at once must not both draw keys.

    Args:
        path: The key file; its directory is made when missing.
        make: Draws a new (public, secret) pair.

    Raises:
        ConfigError: The file is malformed, readable by others, or cannot be read or made.
    """
    try:
        pair = _load(path)
    except FileNotFoundError:
        return _make(path, make)
    except OSError as exc:
        raise ConfigError(
            f"the key file {path} cannot be read: {exc.strerror}", hint="Give your user the right to read and write it."
        ) from exc
    return pair


def _load(path: Path) -> KeyPair:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(
                f"the key file {path} is open to other users (mode {stat.S_IMODE(mode):04o}), "
                "so its key may be known to them",
                hint=f"Run: chmod 600 {path}",
            )
        content = file.read(_LARGEST_FILE_BYTES + 1)
    pair = _parse(content)
    if pair is None:
        raise ConfigError(
            f"the key file {path} holds no key pair",
            hint="Put back a copy of it; or remove it, and this node gets a new identity and must join its farm again.",
        )
    return pair


def _parse(content: bytes) -> KeyPair | None:
    if len(content) > _LARGEST_FILE_BYTES:
        return None
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.keys() != {"public", "secret"}:
        return None
    public, secret = fields["public"], fields["secret"]
    return KeyPair(public, secret) if _is_key(public) and _is_key(secret) else None


def _is_key(text: object) -> bool:
    return isinstance(text, str) and len(text) == _KEY_LENGTH and _Z85.issuperset(text)


def _make(path: Path, make: Callable[[], tuple[str, str]]) -> KeyPair:
    public, secret = make()
    if not (_is_key(public) and _is_key(secret)):
        raise ValueError("a new key pair must be two Z85 texts of 40 characters")
    content = json.dumps({"public": public, "secret": secret}, indent=1) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, content.encode("ascii"))
    except OSError as exc:
        raise ConfigError(
            f"the key file {path} cannot be made: {exc.strerror}",
            hint="Make the directory writable, or set PEERFARM_HOME to one that is.",
        ) from exc
    return KeyPair(public, secret)
