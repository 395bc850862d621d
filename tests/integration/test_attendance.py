"""Whether somebody is at this machine: asked of a real X server where there is one, and of one that misbehaves."""

from __future__ import annotations

import math
import os
import queue
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from peerfarm.daemon import attendance, x11idle
from peerfarm.daemon.attendance import AWAY_S, LOOK_EVERY_S, Attendance, is_attended, way_to_ask

LIMIT_S = 20.0
PROOF = bytes(range(16))
XVFB = shutil.which("Xvfb")


def write_proof(path: Path, display: int, proof: bytes = PROOF) -> None:
    """An Xauthority file with entries for another machine, another display and this one."""

    def entry(family: int, address: bytes, number: int, data: bytes) -> bytes:
        fields = (address, str(number).encode(), b"MIT-MAGIC-COOKIE-1", data)
        return struct.pack(">H", family) + b"".join(struct.pack(">H", len(field)) + field for field in fields)

    own = socket.gethostname().encode()
    path.write_bytes(
        entry(0, b"\x0a\0\0\1", display, b"remote")
        + entry(256, own, display + 1, b"other")
        + entry(256, own, display, proof)
    )


class FakeServer:
    """An X server that says what it is told to, and no more."""

    def __init__(self, idle_ms: int = 5000, proof: bytes = PROOF) -> None:
        self.display = 50_000 + os.getpid() % 10_000
        self._idle_ms = idle_ms
        self._proof = proof
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(f"\0/tmp/.X11-unix/X{self.display}")
        self._socket.listen()
        self.behave: Callable[[socket.socket], None] = self.answer
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            with link:
                self.behave(link)

    def answer(self, link: socket.socket) -> None:
        """As the protocol's specification says."""
        if not self.greet(link):
            return
        opcode, _, words = struct.unpack("=BBH", link.recv(4))
        request = link.recv(words * 4 - 4)
        assert opcode == 98
        assert request[4 : 4 + struct.unpack_from("=H", request)[0]] == b"MIT-SCREEN-SAVER"
        link.sendall(struct.pack("=B31x", 2))  # an event that nobody asked for
        link.sendall(struct.pack("=BxHI4B20x", 1, 1, 0, 1, 140, 0, 0))
        assert struct.unpack("=BBHI", link.recv(8)) == (140, 1, 2, 77)
        link.sendall(struct.pack("=BBHIIIIIB7x", 1, 0, 2, 0, 0, 0, self._idle_ms, 0, 0))

    def greet(self, link: socket.socket) -> bool:
        head = link.recv(12, socket.MSG_WAITALL)
        name_bytes, proof_bytes = struct.unpack_from("=HH", head, 6)
        rest = link.recv(-(-name_bytes // 4) * 4 + -(-proof_bytes // 4) * 4, socket.MSG_WAITALL)
        if not rest.endswith(self._proof):
            reason = b"no entry...."
            link.sendall(struct.pack("=BBHHH", 0, len(reason), 11, 0, len(reason) // 4) + reason)
            return False
        vendor, formats, root = b"The X Fake..", b"\0" * 16, struct.pack("=I36x", 77)
        body = struct.pack("=16xHHBB10x", len(vendor), 65535, 1, 2) + vendor + formats + root
        link.sendall(struct.pack("=BxHHH", 1, 11, 0, len(body) // 4) + body)
        return True

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(LIMIT_S)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.close()


def session(display: int, home: Path) -> Mapping[str, str]:
    return {"DISPLAY": f":{display}.0", "HOME": str(home)}


def test_the_seconds_since_the_last_key_are_asked_over_the_displays_socket(fake: FakeServer, tmp_path: Path) -> None:
    write_proof(tmp_path / ".Xauthority", fake.display)
    assert x11idle.idle_s(fake.display, session(fake.display, tmp_path)) == 5.0
    assert is_attended(session(fake.display, tmp_path), "linux")


def test_somebody_who_went_away_does_not_count(fake: FakeServer, tmp_path: Path) -> None:
    write_proof(tmp_path / ".Xauthority", fake.display)
    fake._idle_ms = int(AWAY_S * 1000) + 1
    assert not is_attended(session(fake.display, tmp_path), "linux")


def hang(link: socket.socket) -> None:
    link.recv(1 << 16)
    link.settimeout(LIMIT_S)
    link.recv(1)  # until the other side gives up


def hang_up_at_once(_link: socket.socket) -> None:
    """The server dies in the middle: Xlib would end this process with it."""


@pytest.mark.parametrize(
    "behaviour", ["hangs", "dies at once", "dies later", "says rubbish", "has no screen saver", "says too much"]
)
def test_a_server_that_misbehaves_counts_as_somebody_there_and_ends_nothing(
    fake: FakeServer, tmp_path: Path, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(x11idle, "LIMIT_S", 0.2)
    write_proof(tmp_path / ".Xauthority", fake.display)

    def lacks_screen_saver(link: socket.socket) -> None:
        fake.greet(link)
        link.recv(1 << 16)
        link.sendall(struct.pack("=BxHI4B20x", 1, 1, 0, 0, 0, 0, 0))

    behaviours: dict[str, Callable[[socket.socket], None]] = {
        "hangs": hang,
        "dies at once": hang_up_at_once,
        "dies later": lambda link: [fake.greet(link), link.recv(1 << 16), None][-1],
        "says rubbish": lambda link: link.sendall(os.urandom(8)),
        "has no screen saver": lacks_screen_saver,
        "says too much": lambda link: link.sendall(struct.pack("=BxHHH", 1, 11, 0, 65535) + b"x" * (1 << 18)),
    }
    fake.behave = behaviours[behaviour]
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says of it
        x11idle.idle_s(fake.display, session(fake.display, tmp_path))
    assert is_attended(session(fake.display, tmp_path), "linux")


def test_a_server_that_does_not_let_us_in_counts_as_somebody_there(fake: FakeServer, tmp_path: Path) -> None:
    write_proof(tmp_path / ".Xauthority", fake.display, b"wrong")
    with pytest.raises(x11idle.NoAnswer):
        x11idle.idle_s(fake.display, session(fake.display, tmp_path))
    (tmp_path / ".Xauthority").write_bytes(b"\1\0\xff\xff damaged")
    assert is_attended(session(fake.display, tmp_path), "linux")


@pytest.mark.parametrize(
    ("environ", "system", "is_there"),
    [
        ({}, "linux", False),  # a node in a rack
        ({"DISPLAY": "localhost:10.0"}, "linux", False),  # worked on from afar: the keyboard is elsewhere
        ({"DISPLAY": ":49999"}, "linux", False),  # the session in which the node was started is over
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),  # nobody can be asked: not knowing counts as yes
    ],
)
def test_what_is_not_known_counts_as_yes_but_no_session_as_no(
    environ: Mapping[str, str], system: str, is_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no logind
    monkeypatch.setattr(x11idle, "_SOCKET", str(tmp_path / "X"))
    assert is_attended(environ, system) is is_there


def test_each_system_is_asked_in_its_own_way() -> None:
    ways = {system: way_to_ask({"DISPLAY": ":0"}, system) for system in ("win32", "darwin", "linux")}
    assert ways["win32"] is attendance._idle_windows_s
    assert ways["darwin"] is attendance._idle_macos_s


LOGINCTL = """#!/bin/sh
echo "$@" >> "{calls}"
case "$1" in
  list-sessions) printf '%s' '{listed}' ;;
  show-session) [ "$2 $3" = "2 c1" ] && cat "{told}" ;;
  *) exit 1 ;;
esac
"""


class Logind:
    """A machine whose `loginctl` tells of two sessions: 2, and c1 of the login screen."""

    def __init__(self, directory: Path) -> None:
        self._told = directory / "told"
        self.calls = directory / "calls"
        program = directory / "loginctl"
        listed = "     2 1000 ada seat0 tty2\n    c1  121 gdm seat0 tty1\n"
        program.write_text(LOGINCTL.format(calls=self.calls, listed=listed, told=self._told))
        program.chmod(0o755)
        self.tell()

    def tell(self, **changes: str) -> None:
        """What it says of session 2."""
        usual = {"Class": "user", "Remote": "no", "Seat": "seat0", "State": "active", "IdleHint": "no"}
        screen = {"Class": "greeter", "Remote": "no", "Seat": "seat0", "State": "active", "IdleHint": "no"}
        blocks = ["".join(f"{name}={value}\n" for name, value in one.items()) for one in (usual | changes, screen)]
        self._told.write_text("\n".join(blocks))


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logind:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Logind(tmp_path)


@pytest.mark.parametrize(
    ("changes", "is_there"),
    [
        ({}, True),
        ({"Class": "user-early"}, True),
        ({"IdleHint": "yes"}, False),
        ({"Remote": "yes"}, False),  # worked on from afar
        ({"Seat": ""}, False),
        ({"State": "online"}, False),  # behind another one
        ({"State": "closing"}, False),
        ({"Class": "greeter"}, False),
        ({"Type": "x11", "Display": ":49999"}, True),  # its display tells nothing
    ],
)
@pytest.mark.parametrize("environ", [{}, {"WAYLAND_DISPLAY": "wayland-0"}, {"DISPLAY": ":49999"}])
def test_a_node_outside_the_session_asks_logind_who_is_there(
    logind: Logind, environ: Mapping[str, str], changes: Mapping[str, str], is_there: bool
) -> None:
    logind.tell(**changes)
    assert is_attended(environ, "linux") is is_there
    assert [line.split()[0] for line in logind.calls.read_text().splitlines()] == ["list-sessions", "show-session"]


def test_a_session_whose_desktop_tells_logind_nothing_is_judged_by_its_display(
    logind: Logind, fake: FakeServer, tmp_path: Path
) -> None:
    write_proof(tmp_path / ".Xauthority", fake.display)
    logind.tell(Type="x11", Display=f":{fake.display}")
    assert is_attended({"HOME": str(tmp_path)}, "linux")
    fake._idle_ms = int(AWAY_S * 1000) + 1
    assert not is_attended({"HOME": str(tmp_path)}, "linux")


def test_logind_that_hangs_counts_as_somebody_there(
    logind: Logind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "ANSWER_LIMIT_S", 0.1)
    (tmp_path / "loginctl").write_text("#!/bin/sh\nexec cat /dev/zero > /dev/null\n")
    assert is_attended({}, "linux")


def test_it_is_looked_for_while_something_is_sent_and_not_else() -> None:
    told: queue.SimpleQueue[bool] = queue.SimpleQueue()
    watch = Attendance(told.put, lambda: True)
    assert watch.due_s(0) == 0.0  # nothing is known yet
    watch.look(0, 100.0)
    assert told.get(timeout=LIMIT_S)
    assert watch.due_s(0) == math.inf
    assert watch.due_s(1) == 100.0 + LOOK_EVERY_S


# A real server; these tests exist only where Xvfb is installed.

if XVFB:

    @pytest.fixture
    def server(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """The display and the process of a real X server that keeps its state between connections."""
        read_fd, write_fd = os.pipe()
        write_proof(tmp_path / ".Xauthority", 0)
        assert XVFB is not None
        argv = [XVFB, "-displayfd", str(write_fd), "-screen", "0", "64x64x8", "-noreset", "-nolisten", "tcp"]
        server = subprocess.Popen(
            [*argv, "-auth", str(tmp_path / ".Xauthority")],
            pass_fds=[write_fd],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write_fd)
        try:
            with os.fdopen(read_fd, "rb") as said:
                display = int(said.readline())
            write_proof(tmp_path / ".Xauthority", display)
            yield display, server
        finally:
            server.terminate()
            server.wait(LIMIT_S)

    @pytest.fixture
    def real(server: tuple[int, subprocess.Popen[bytes]]) -> int:
        """Its display."""
        return server[0]

    def press_a_key(display: int, environ: Mapping[str, str]) -> None:
        """By the XTEST extension, as a remote control does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(LIMIT_S)
            link.connect(f"/tmp/.X11-unix/X{display}")
            x11idle._greet(link, x11idle.cookie(display, environ))
            name = b"XTEST"
            link.sendall(struct.pack("=BxHHxx", 98, 4, len(name)) + name.ljust(8, b"\0"))
            opcode = x11idle._answer(link)[9]
            for kind in (2, 3):  # pressed, released
                link.sendall(struct.pack("=BBHBB2xII8xHH7xB", opcode, 2, 9, kind, 38, 0, 0, 0, 0, 0))
            link.sendall(struct.pack("=BxH", 43, 1))  # GetInputFocus: answered when all before it was done
            x11idle._answer(link)

    def test_a_real_server_tells_when_a_key_was_pressed(real: int, tmp_path: Path) -> None:
        environ = session(real, tmp_path)
        give_up_s = time.monotonic() + LIMIT_S
        while (before_s := x11idle.idle_s(real, environ)) < 0.5:
            assert time.monotonic() < give_up_s
        press_a_key(real, environ)
        assert x11idle.idle_s(real, environ) < before_s
        assert is_attended(environ, "linux")

    def test_a_real_server_is_found_by_a_node_outside_its_session_and_missed_when_it_ends(
        server: tuple[int, subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, process = server
        assert real in x11idle.local_displays()
        monkeypatch.setattr(x11idle, "local_displays", lambda: [real])  # others are not the test's
        monkeypatch.setenv("PATH", str(tmp_path))  # no logind
        service = {"HOME": str(tmp_path)}
        press_a_key(real, service)
        assert is_attended(service, "linux")
        assert is_attended(session(real, tmp_path), "linux")
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(f"/tmp/.X11-unix/X{real}")
            x11idle._greet(link, x11idle.cookie(real, service))
            process.kill()
            process.wait(LIMIT_S)
            with pytest.raises(OSError):  # noqa: PT011 - closed or reset; Xlib would end this process
                x11idle._opcode(link)
        Path(f"/tmp/.X11-unix/X{real}").unlink()
        assert not is_attended(session(real, tmp_path), "linux")
        assert not is_attended(service, "linux")

    def test_a_real_server_that_asks_for_a_proof_is_given_it(real: int, tmp_path: Path) -> None:
        with pytest.raises(OSError):  # noqa: PT011 - it says so, or just closes
            x11idle.idle_s(real, {"HOME": str(tmp_path / "nobody")})
        assert x11idle.idle_s(real, session(real, tmp_path)) < LIMIT_S
