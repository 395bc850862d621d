"""The connection to the peerfarm node on this machine, for applications that must never wait.

One thread talks to the node; what it hears is queued until the application's main thread calls `drain`. The standard
library alone, Python 3.7 or later; the same file in the plug-ins for Blender and Maya. The protocol: plugins/README.md.
"""

import collections
import contextlib
import json
import os
import select
import socket
import threading
import time
import traceback

from .launch import await_end, start
from .wire import (
    ANSWER_S,
    CONNECTED,
    CONNECTING,
    NOT_RUNNING,
    REFUSED,
    STALE,
    START_HINT,
    Conversation,
    Fault,
    Request,
    connect,
    drink,
    read_place,
)

REQUEST_BYTES = 1 << 20
RETRY_S = 3.0
START_AGAIN_S = 20.0
MAX_REQUESTS = 64
MAX_EVENTS = 1000
STARTING = Fault("peerfarm is starting; this takes a few seconds.", "", "starting")


class Link(object):
    """A connection that mends itself. All methods are for the main thread; none of them waits."""

    def __init__(self, app, version, home=None, clock_s=time.perf_counter):
        """Nothing is connected before `open`.

        Args:
            app: What the artist works in, e.g. `blender 3.4.1`.
            version: Of this plug-in.
            home: The node's folder; else `PEERFARM_HOME`, else `~/.peerfarm`.
            clock_s: What the budget of `drain` is measured by.
        """
        self.app = app
        self.version = version
        self.home = home or os.environ.get("PEERFARM_HOME") or os.path.join(os.path.expanduser("~"), ".peerfarm")
        self._clock_s = clock_s
        self._standing = (CONNECTING, "looking for peerfarm", "", "")
        self._lock = threading.Condition()
        self._inbox = collections.deque()
        self._events = collections.deque(maxlen=MAX_EVENTS)
        self._outbox = collections.deque()
        self._handlers = []
        self._number = 0
        self._open = 0
        self._thread = None
        self._started_s = -START_AGAIN_S
        self._start = None  # the Fault of the last start, or STARTING
        self._wake = None

    # Main thread

    @property
    def state(self):
        """`connecting`, `connected`, `not running` or `refused`."""
        return self._standing[0]

    @property
    def sentence(self):
        """What is the matter, in words for the artist."""
        start = self._start
        return self._standing[1] if start is None or not self._would_start else start.sentence

    @property
    def hint(self):
        """What to do about it; may be empty."""
        start = self._start
        return self._standing[2] if start is None or not self._would_start else start.hint

    @property
    def can_start(self):
        """Whether a button that starts the node would help."""
        return self._would_start and self._start is not STARTING

    @property
    def _would_start(self):
        return self._standing[3] in (NOT_RUNNING, STALE)

    def open(self):
        """Begin to connect, and keep connecting; returns at once."""
        if self._thread is not None:
            return
        self._wake = socket.socketpair()
        self._wake[0].setblocking(False)
        self._wake[1].setblocking(False)
        self._standing = (CONNECTING, "looking for peerfarm", "", "")
        self._thread = threading.Thread(target=self._run, name="peerfarm", daemon=True)
        self._thread.start()

    def close(self, timeout_s=1.0):
        """End the thread; nothing is handed out any more."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._prod()
        thread.join(timeout_s)
        self._wake[0].close()
        with self._lock:
            self._inbox.clear()
            self._outbox.clear()
            self._events.clear()
        self._open = 0

    def listen(self, handler):
        """Have each event of the node handed to `handler(event)`, within `drain`."""
        self._handlers.append(handler)

    def call(
        self, method, params=None, on_answer=None, on_fault=None, on_progress=None, prepare=None, limit_s=ANSWER_S
    ):
        """Ask the node; the answer, or a Fault, is handed out by a later `drain`.

        Args:
            on_progress: Gets the events that belong to this request (`submit/progress`).
            prepare: Called with the answer in the connection's thread; what it gives is handed out instead.
            limit_s: How long the answer may take; each sign of progress renews it.

        Returns:
            The request's number, or 0 when it was not taken.
        """
        self._number += 1
        number = self._number
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        line = json.dumps(asked).encode("ascii") + b"\n"
        request = Request(number, line, on_answer, on_fault, on_progress, prepare, limit_s)
        fault = None
        if len(line) > REQUEST_BYTES:
            fault = Fault("This is too much to send at once.", "Send fewer steps or files in one job.")
        elif self._thread is None:
            fault = Fault("The connection to peerfarm is closed.", "Open the panel again.", "closed")
        elif self.state in (NOT_RUNNING, REFUSED):
            fault = self._fault()
        elif self._open >= MAX_REQUESTS:
            fault = Fault("peerfarm is busy.", "Try again in a moment.", "busy")
        self._open += 1
        if fault is not None:
            self.hand(request, fault)
            return 0
        with self._lock:
            self._outbox.append(request)
        self._prod()
        return number

    def drain(self, budget_s=0.002):
        """Hand out what came, for at most so long (one call more at the end); True when there was anything.

        A callback that raises is told on the console and loses nothing but itself.
        """
        until_s = self._clock_s() + budget_s
        did = False
        while True:
            with self._lock:
                if self._inbox:
                    deed = self._inbox.popleft()
                elif self._events:
                    deed = (self._tell, self._events.popleft())
                else:
                    return did
            did = True
            self._do(*deed)
            if self._clock_s() >= until_s:
                return True

    def wait(self, limit_s):
        """For programs without a window: wait until there is something to drain; False when nothing came."""
        with self._lock:
            return self._lock.wait_for(lambda: bool(self._inbox or self._events), limit_s)

    def start_node(self):
        """Start peerfarm on this machine, at most once in 20 s; what to tell the artist.

        Until it runs, `sentence` and `hint` tell how that goes, and what went wrong.
        """
        now_s = time.monotonic()
        if now_s - self._started_s < START_AGAIN_S:
            return str(STARTING)
        try:
            process, said = start(self.home)
        except Fault as fault:
            self._start = fault
            return str(fault)
        self._started_s, self._start = now_s, STARTING
        threading.Thread(target=self._await_start, args=(process, said), name="peerfarm start", daemon=True).start()
        return str(STARTING)

    def _tell(self, event):
        for handler in list(self._handlers):
            self._do(handler, event)

    @staticmethod
    def _do(deed, value):
        try:
            deed(value)
        except Exception:  # the panel's bug must not lose what the others wait for
            traceback.print_exc()

    def _await_start(self, process, said):
        """In a thread of its own: nobody else would take note of the end of the command that starts the node."""
        self._start = await_end(process, said)
        if self._start is not None:
            self._started_s = -START_AGAIN_S
        self.put(lambda _: None, None)
        self._prod()  # it is looked for at once

    def _finish(self, deed, value):
        self._open -= 1
        if deed is not None:
            deed(value)

    # Either thread

    @property
    def is_closing(self):
        """Whether the thread that asks is to end."""
        return self._thread is not threading.current_thread()

    def hand(self, request, result):
        """Queue an answer or a Fault for the main thread."""
        deed = request.on_fault if isinstance(result, Fault) else request.on_answer
        self.put(lambda value: self._finish(deed, value), result)

    def put(self, deed, value):
        """Have `deed(value)` called within `drain`."""
        with self._lock:
            self._inbox.append((deed, value))
            self._lock.notify_all()

    def _prod(self):
        with contextlib.suppress(OSError, TypeError):  # the pipe is full, so the thread is awake; or there is none
            self._wake[0].send(b"!")

    def _fault(self):
        return Fault(self.sentence, self.hint, self.state)

    # The connection's thread

    def _run(self):
        wake = self._wake[1]
        while not self.is_closing:
            talk = None
            try:
                link = connect(read_place(self.home), self.app, self.version)
                try:
                    talk = Conversation(link, wake, self)
                    talk.run()
                finally:
                    link.close()
            except Fault as fault:
                state = NOT_RUNNING if fault.kind == NOT_RUNNING else REFUSED
                self._set(state, fault.sentence, fault.hint, fault.kind)
            except OSError:
                self._set(NOT_RUNNING, "peerfarm went away.", START_HINT, NOT_RUNNING)
            except Exception as error:  # a bug here must not end the panel's sight
                self._set(REFUSED, "The connection to peerfarm failed: %r." % (error,), "It is tried again.")
            if not self.is_closing:
                self._fail(talk.waiting if talk is not None else {})
                select.select([wake], [], [], RETRY_S)
                drink(wake)
        wake.close()

    def _fail(self, waiting):
        left = list(waiting.values())
        request = self.next_request()
        while request is not None:
            left.append(request)
            request = self.next_request()
        for request in left:
            self.hand(request, self._fault())

    def _set(self, state, sentence, hint="", kind=""):
        standing = (state, sentence, hint, kind)
        has_changed = self._standing != standing
        self._standing = standing
        if has_changed:
            self.put(lambda _: None, None)  # `drain` tells that there is something to show

    def next_request(self):
        """The next question to send, or None."""
        with self._lock:
            return self._outbox.popleft() if self._outbox else None

    def connected(self):
        """The node has answered the hello."""
        if self._start is not STARTING:
            self._start = None
        self._set(CONNECTED, "connected")

    def heard(self, event):
        """Queue an event; the oldest is lost when nobody drains."""
        with self._lock:
            self._events.append(event)
            self._lock.notify_all()


def call_once(app, version, method, params=None, on_progress=None, timeout_s=ANSWER_S, home=None):
    """Ask the node and wait, for programs without a window; each sign of progress renews the limit.

    Raises:
        Fault: Peerfarm is not running, refuses, or does not answer within `timeout_s`.
    """
    link = Link(app, version, home)
    link.open()
    ended = []
    until = [time.monotonic() + timeout_s]

    def moved(event):
        until[0] = time.monotonic() + timeout_s
        if on_progress is not None:
            on_progress(event)

    try:
        while link.state == CONNECTING and time.monotonic() < until[0]:
            link.wait(0.2)
            link.drain(1.0)
        link.call(method, params, ended.append, ended.append, moved, limit_s=timeout_s)
        while not ended and time.monotonic() < until[0]:
            link.wait(0.2)
            link.drain(1.0)
        if not ended:
            raise Fault("peerfarm did not answer in time.", "Try again.", "late")
        if isinstance(ended[0], Fault):
            raise ended[0]
        return ended[0]
    finally:
        link.close()
