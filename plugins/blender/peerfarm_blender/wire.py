"""What goes over the wire between a plug-in and the node: lines of JSON-RPC, read without trust.

Runs in the connection's thread; see client.py, which alone uses it. The standard library alone, Python 3.7 or later.
"""

import json
import os
import select
import socket
import stat
import time

PROTOCOL = 1
ANSWER_BYTES = 8 << 20
ANSWER_S = 30.0
"""An answer that takes longer is given up; each sign of progress renews it."""
HELLO_S = 5.0

CONNECTING, CONNECTED, NOT_RUNNING, REFUSED = "connecting", "connected", "not running", "refused"
STALE = "stale"
"""A Fault of this kind: what the node left on the disk leads to no node of ours; a start writes it anew."""
START_HINT = "Press Start peerfarm, or run `peerfarm start` in a terminal."


class Fault(Exception):
    """What went wrong, in words for the artist.

    Attributes:
        sentence: What is the matter.
        hint: What to do; may be empty.
        kind: The node's class of error, or one of `not running`, `not started`, `stale`, `late`, `busy`, `refused`.
    """

    def __init__(self, sentence, hint="", kind="refused"):
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.kind = kind

    def __str__(self):
        stop = "" if not self.hint or self.sentence[-1:] in ("", ".", "!", "?") else "."
        return (self.sentence + stop + " " + self.hint).strip()


class Request(object):
    """One question, and what is to be done with its answer; see `Link.call`."""

    def __init__(self, number, line, on_answer, on_fault, on_progress, prepare, limit_s=ANSWER_S):
        self.number = number
        self.line = line
        self.on_answer = on_answer
        self.on_fault = on_fault
        self.on_progress = on_progress
        self.prepare = prepare
        self.limit_s = limit_s
        self.until_s = 0.0


def read_private(path, limit_bytes):
    """The JSON in a file that its user alone can read and write; raises OSError, ValueError or Fault, never waits."""
    unwaiting = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, unwaiting)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Fault(path + " is no plain file.", "Remove it and restart peerfarm.")
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o077):
            raise Fault("Other users can read or write " + path + ".", START_HINT + " It writes it anew.", STALE)
        content = os.read(descriptor, limit_bytes)
    finally:
        os.close(descriptor)
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("too deep")


def read_place(home):
    """Where the node listens and what proves that one may ask it: `{port, token}`; raises Fault."""
    path = os.path.join(home, "local.json")
    try:
        place = read_private(path, 4096)
        if type(place["port"]) is not int or not 0 < place["port"] < 65536 or not isinstance(place["token"], str):
            raise ValueError("odd values")
        return place
    except (FileNotFoundError, NotADirectoryError):
        raise Fault("peerfarm is not running.", START_HINT, NOT_RUNNING)
    except OSError as error:
        raise Fault("%s cannot be read: %s." % (path, error.strerror), "Restart peerfarm.")
    except (ValueError, KeyError, TypeError):
        raise Fault(path + " is damaged.", START_HINT, STALE)


def connect(place, app, version):
    """A connection that has said hello and asked for events; the answers come later."""
    try:
        link = socket.create_connection(("127.0.0.1", place["port"]), timeout=HELLO_S)
    except OSError:
        raise Fault("peerfarm is not running.", START_HINT, NOT_RUNNING)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = {
            "token": place["token"],
            "client": app.split(" ")[0],
            "app": app,
            "pid": os.getpid(),
            "version": version,
            "protocol": PROTOCOL,
        }
        for number, (method, params) in enumerate((("hello", hello), ("subscribe", {})), 1):
            asked = {"jsonrpc": "2.0", "id": "link%d" % number, "method": method, "params": params}
            link.sendall(json.dumps(asked).encode("ascii") + b"\n")
        return link
    except BaseException:
        link.close()
        raise


class Conversation(object):
    """Questions and answers over one connection, until it ends.

    `owner` gives `next_request()`, `hand(request, result)`, `put(deed, value)`, `heard(event)`, `connected()`,
    and `is_closing`.
    """

    def __init__(self, link, wake, owner):
        self._link = link
        self._wake = wake
        self._owner = owner
        self.waiting = {}

    def run(self):
        """Talk until the owner closes; raises Fault or OSError when the other side ends it, or is no node."""
        link, waiting, owner = self._link, self.waiting, self._owner
        link.setblocking(False)
        heard = bytearray()
        unsent = bytearray()
        greeting = {"link1", "link2"}
        greeted_by_s = time.monotonic() + HELLO_S
        while not owner.is_closing:
            if not greeting:
                self._take(unsent)
            limit_s = self._until(greeted_by_s if greeting else None)
            readable, writable, _ = select.select([link, self._wake], [link] if unsent else [], [], limit_s)
            if self._wake in readable:
                drink(self._wake)
            if writable:
                del unsent[: link.send(bytes(unsent[:262144]))]
            if link in readable:
                self._read(heard, greeting)
            now_s = time.monotonic()
            if greeting and now_s >= greeted_by_s:
                raise Fault("What answers on peerfarm's port does not speak.", START_HINT, STALE)
            for number in [number for number, request in waiting.items() if now_s >= request.until_s]:
                owner.hand(waiting.pop(number), Fault("peerfarm did not answer in time.", "Try again.", "late"))

    def _take(self, unsent):
        request = self._owner.next_request()
        while request is not None:
            request.until_s = time.monotonic() + request.limit_s
            self.waiting[request.number] = request
            unsent += request.line
            request = self._owner.next_request()

    def _until(self, greeted_by_s):
        dues = [request.until_s for request in self.waiting.values()]
        if greeted_by_s is not None:
            dues.append(greeted_by_s)
        return max(0.0, min(min(dues) - time.monotonic(), 60.0)) if dues else 60.0

    def _read(self, heard, greeting):
        try:
            data = self._link.recv(1 << 18)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            raise Fault("peerfarm went away.", START_HINT, NOT_RUNNING)
        searched = len(heard)
        heard += data
        while True:
            end = heard.find(b"\n", searched)
            if end < 0:
                if len(heard) > ANSWER_BYTES:
                    raise _garbage()
                return
            line = bytes(heard[:end])
            del heard[: end + 1]
            searched = 0
            self._hear(line, greeting)

    def _hear(self, line, greeting):
        try:
            said = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            raise _garbage()
        if not isinstance(said, dict) or said.get("jsonrpc") != "2.0":
            raise _garbage()
        if said.get("method") == "event" and isinstance(said.get("params"), dict):
            self._heard_event(said["params"])
            return
        fault = _fault_of(said["error"]) if isinstance(said.get("error"), dict) else None
        number = said.get("id")
        if number is None or isinstance(number, str):
            if fault is not None:
                raise fault
            if number in greeting:
                greeting.discard(number)
                if not greeting:
                    self._owner.connected()
            return
        request = self.waiting.pop(number, None) if isinstance(number, int) else None
        if request is None:
            return
        result = fault if fault is not None else said.get("result")
        if fault is None:
            try:
                if not isinstance(result, dict):
                    raise TypeError("no object")
                if request.prepare is not None:
                    result = request.prepare(result)
            except Exception as error:  # an odd answer must reach the artist as words
                result = Fault("peerfarm's answer was not understood (%r)." % (error,), "Are both of one version?")
        self._owner.hand(request, result)

    def _heard_event(self, event):
        number = event.get("request")
        is_progress = event.get("type") == "submit/progress" and isinstance(number, int)
        request = self.waiting.get(number) if is_progress else None
        if request is not None:
            request.until_s = time.monotonic() + max(4 * ANSWER_S, request.limit_s)
            if request.on_progress is not None:
                self._owner.put(request.on_progress, event)
            return
        self._owner.heard(event)


def drink(wake):
    """Empty the pipe that wakes the thread."""
    try:
        while wake.recv(4096):
            pass
    except OSError:
        pass  # it is empty


def _garbage():
    return Fault("What answers on peerfarm's port is not peerfarm.", START_HINT, STALE)


def _fault_of(error):
    data = error.get("data") if isinstance(error.get("data"), dict) else {}
    code = error.get("code")
    if code == 3:
        return Fault("peerfarm did not accept this plug-in.", START_HINT, STALE)
    if code == 4:
        return Fault(
            "This plug-in and peerfarm are of different versions.",
            "Run `peerfarm plugins install` and restart the application.",
        )
    if code in (-32601, -32602):
        return Fault("This peerfarm does not know what the plug-in asks.", "Update peerfarm and its plug-ins.")
    return Fault(
        str(error.get("message", "peerfarm refused.")), str(data.get("hint", "")), str(data.get("kind", "refused"))
    )
