"""The join string: one line that says where a farm's join socket is, its key, and a token good for one machine.

`peerfarm-join:1:BODY` where BODY is base64url of four checksum bytes and the text. No I/O.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from peerfarm.errors import RequestRefused
from peerfarm.mesh.addresses import parse_address
from peerfarm.model.ids import is_id

PREFIX = "peerfarm-join"
VERSION = "1"
TOKEN_LENGTH = 32
"""Base32 characters, so 160 bits."""
MOST_ADDRESSES = 16
MOST_CHARACTERS = 4000

Z85_ALPHABET = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#")

_COPY_AGAIN = f"Copy the whole line again from the node that printed it; it begins with {PREFIX}:."


@dataclass(frozen=True, slots=True)
class JoinString:
    """What a join string says."""

    addresses: tuple[str, ...]
    """`host:port` of the join socket, the likeliest first; at least one."""
    server_key: str
    """The join socket's CURVE public key."""
    token: str = field(repr=False)
    """Good for one machine, once."""
    farm_name: str = ""
    """To show to the person who joins; empty when not told."""


def is_public_key(text: object) -> bool:
    """Whether `text` is spelt like a CURVE key: 40 Z85 characters."""
    return isinstance(text, str) and len(text) == 40 and Z85_ALPHABET.issuperset(text)


def format_join(addresses: Sequence[str], server_public_key: str, token: str, farm_name: str = "") -> str:
    """Spell a join string; all characters survive mails, shells and URLs.

    Raises:
        RequestRefused: No address to tell, or one that is not `host:port`.
        ValueError: A key or token of the wrong form; a bug of ours.
    """
    if not is_public_key(server_public_key) or not is_id(token, TOKEN_LENGTH):
        msg = "a join string needs a CURVE key of 40 characters and a token of 32"
        raise ValueError(msg)
    if not addresses:
        raise RequestRefused(
            "This node has no address that another machine could dial, so it cannot invite one.",
            "Connect it to the network, or set `advertise` to its host:port in peerfarm.yaml.",
        )
    for address in addresses:
        if parse_address(address) is None:
            raise RequestRefused(
                f"{address!r} is not an address of the form host:port.", "Correct `advertise` in peerfarm.yaml."
            )
    name = " ".join(farm_name.split())[:80]
    body = "\n".join((server_public_key, token, name, *addresses[:MOST_ADDRESSES])).encode()
    text = base64.urlsafe_b64encode(_checksum(body) + body).decode("ascii").rstrip("=")
    return f"{PREFIX}:{VERSION}:{text}"


def parse_join(text: str) -> JoinString:
    """Read a join string; space and line breaks that a mail put in are ignored.

    Raises:
        RequestRefused: It is none, is of a newer version, was cut off, or a letter is wrong.
    """
    line = "".join(text.split())
    prefix, _, rest = line.partition(":")
    version, _, encoded = rest.partition(":")
    if prefix != PREFIX or not version or len(line) > MOST_CHARACTERS:
        raise RequestRefused("This is not a join string.", _COPY_AGAIN)
    if version != VERSION:
        raise RequestRefused(
            f"This join string is of version {version[:20]!r}; this node reads version {VERSION}.",
            "Install the same version of peerfarm here as on the node that printed it.",
        )
    body = _body_of(encoded)
    if body is None:
        raise RequestRefused("A letter of the join string is wrong or missing.", _COPY_AGAIN)
    return _read_body(body)


def _body_of(encoded: str) -> bytes | None:
    """Undo the encoding; None when the checksum does not fit."""
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    spelt_again = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
    # The last letter carries bits that decoding ignores, so the spelling itself must fit too.
    return raw[4:] if spelt_again == encoded and raw[:4] == _checksum(raw[4:]) else None


def _read_body(body: bytes) -> JoinString:
    try:
        server_key, token, name, *addresses = body.decode().split("\n")
    except (UnicodeDecodeError, ValueError):
        server_key, token, name, addresses = "", "", "", []
    is_whole = is_public_key(server_key) and is_id(token, TOKEN_LENGTH)
    are_addresses = 1 <= len(addresses) <= MOST_ADDRESSES and all(parse_address(one) for one in addresses)
    if not is_whole or not are_addresses or not name.isprintable():
        raise RequestRefused("The join string holds something other than a farm's address, key and token.", _COPY_AGAIN)
    return JoinString(tuple(addresses), server_key, token, name)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(VERSION.encode() + body).digest()[:4]
