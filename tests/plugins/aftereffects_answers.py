"""What a node, or something else on its port, tells the After Effects panel in tests."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FARM = {"id": "f", "name": "studio"}
STATUS = {"farm": FARM, "alarms": [], "live": 2, "rendering": 1, "apps": {"aftereffects": 1, "ocean": 2}}
ANSWERS: dict[str, Any] = {
    "status": STATUS,
    "thumbnail": {"frame": None, "reason": "the frames are elsewhere"},
    "jobs": {"jobs": [], "total": 0},
    "submit": {"job": "j1", "tasks": 2, "frames": 8, "warnings": []},
}


def row(number: int, **more: Any) -> dict[str, Any]:
    """A job as the node tells of it."""
    told = {
        "id": f"job{number}",
        "name": f"shot {number}",
        "status": "active",
        "progress": 0.25,
        "eta_s": 125,
        "frames": {"total": 8, "done": 2},
        "published": False,
        "output": "/frames",
        "error": None,
    }
    return told | more


@contextmanager
def answering(home: Path, answer: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """Something on peerfarm's port that answers each line with these bytes; with none it closes."""
    server = socket.create_server(("127.0.0.1", 0))
    (home / "local.json").write_text(json.dumps({"port": server.getsockname()[1], "token": "t"}), "utf-8")
    held: list[socket.socket] = []

    def serve(link: socket.socket) -> None:
        # The panel may close its side at any moment, with words of ours unread.
        with suppress(OSError), link, link.makefile("rb") as lines:
            for line in lines:
                said = answer(line)
                if said is None:
                    return
                link.sendall(said)

    def accept() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            held.append(link)
            threading.Thread(target=serve, args=(link,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)
    for link in held:
        link.close()
