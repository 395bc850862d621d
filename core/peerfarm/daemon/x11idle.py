"""Asks an X server how long nobody has touched keyboard or mouse, over its socket, without Xlib.

Xlib ends the process when the server goes away in the middle of a call, and waits for ever for one that hangs.
The bytes are those of the X protocol's specification, chapter 8 and appendix B, and of the MIT-SCREEN-SAVER extension.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

LIMIT_S = 2.0
MOST_DISPLAYS = 16
_DISPLAY = re.compile(r"(?:unix)?:(\d{1,5})(?:\.\d+)?")
_SOCKET = "/tmp/.X11-unix/X"  # noqa: S108 - where every X server has it
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_FAMILY_LOCAL, _FAMILY_WILD = 256, 65535
_EXTENSION = b"MIT-SCREEN-SAVER"
_FIXED_BYTES = 32
"""Of the server's greeting, before its vendor's name; the pixmap formats and the first screen follow that."""


class NoAnswer(OSError):
    """The server refused, or said what it may not say."""


class NoServer(OSError):
    """There is no such display on this machine, or not any more."""


def local_displays() -> list[int]:
    """The numbers of all displays that this machine has, as far as their sockets tell."""
    numbers = (path.name.removeprefix("X") for path in Path(_SOCKET).parent.glob("X*"))
    return sorted(int(number) for number in numbers if number.isdecimal())[:MOST_DISPLAYS]


def local_display(name: str) -> int | None:
    """The number of a display on this machine; None for one of another machine, whose keyboard is there."""
    found = _DISPLAY.fullmatch(name)
    return int(found[1]) if found else None


def idle_s(display: int, environ: Mapping[str, str]) -> float:
    """Seconds since the last input.

    Raises:
        NoServer: There is no such server.
        OSError: It refuses, or does not answer in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(LIMIT_S)
        try:
            _connect(link, display)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NoServer(f"there is no display :{display} on this machine") from error
        root = _greet(link, cookie(display, environ))
        opcode = _opcode(link)
        link.sendall(struct.pack("=BBHI", opcode, 1, 2, root))  # ScreenSaverQueryInfo
        answer = _answer(link)
        idle_ms: int = struct.unpack_from("=I", answer, 16)[0]
        return idle_ms / 1000


def _connect(link: socket.socket, display: int) -> None:
    try:
        link.connect(f"\0{_SOCKET}{display}")
    except OSError:
        link.connect(f"{_SOCKET}{display}")


def cookie(display: int, environ: Mapping[str, str]) -> bytes:
    """What proves to the server that we may ask; empty when nothing is written down for that display."""
    place = environ.get("XAUTHORITY") or str(Path(environ.get("HOME", "/")) / ".Xauthority")
    try:
        raw = Path(place).read_bytes()
    except OSError:
        return b""
    own, at = socket.gethostname().encode(), 0
    while at + 2 <= len(raw):
        family = int.from_bytes(raw[at : at + 2])
        at += 2
        fields = []
        for _ in range(4):
            length = int.from_bytes(raw[at : at + 2])
            fields.append(raw[at + 2 : at + 2 + length])
            at += 2 + length
        address, number, name, data = fields
        is_ours = family == _FAMILY_WILD or (family == _FAMILY_LOCAL and address == own)
        if is_ours and number in {b"", str(display).encode()} and name == _COOKIE:
            return data
    return b""


def _greet(link: socket.socket, proof: bytes) -> int:
    """Open the connection; the first screen's root window."""
    name = _COOKIE if proof else b""
    order = b"l" if struct.pack("=H", 1) == b"\1\0" else b"B"
    head = order + struct.pack("=xHHHHxx", 11, 0, len(name), len(proof))
    link.sendall(head + _padded(name) + _padded(proof))
    is_in, _, _, words = struct.unpack("=BxHHH", _read(link, 8))
    rest = _read(link, words * 4)
    if is_in != 1:
        raise NoAnswer("the X server does not let this program in")
    try:
        vendor_bytes, formats = struct.unpack_from("=16xH3xB", rest)
        root: int = struct.unpack_from("=I", rest, _FIXED_BYTES + _up(vendor_bytes) + 8 * formats)[0]
    except struct.error as error:
        raise NoAnswer("the X server's greeting is too short") from error
    return root


def _opcode(link: socket.socket) -> int:
    """The number that the server gave to the screen saver extension."""
    words = 2 + _up(len(_EXTENSION)) // 4
    link.sendall(struct.pack("=BxHHxx", 98, words, len(_EXTENSION)) + _padded(_EXTENSION))  # QueryExtension
    answer = _answer(link)
    if not answer[8]:
        raise NoAnswer("the X server has no screen saver extension")
    return answer[9]


def _answer(link: socket.socket) -> bytes:
    """The next reply; events that come in between are passed over."""
    for _ in range(100):
        head = _read(link, 32)
        if head[0] == 1:
            words: int = struct.unpack_from("=I", head, 4)[0]
            return head + _read(link, words * 4)
        if head[0] == 0:
            raise NoAnswer(f"the X server answered with error {head[1]}")
    raise NoAnswer("the X server sends events and no answer")


def _read(link: socket.socket, size_bytes: int) -> bytes:
    if size_bytes > 1 << 20:
        raise NoAnswer("the X server's answer is too long")
    data = b""
    while len(data) < size_bytes:
        part = link.recv(size_bytes - len(data))
        if not part:
            raise NoAnswer("the X server closed the connection")
        data += part
    return data


def _up(length: int) -> int:
    return (length + 3) & ~3


def _padded(data: bytes) -> bytes:
    return data.ljust(_up(len(data)), b"\0")
