"""What plug-ins and the command line may ask of their node: a table of methods, each answered by its part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.desk import Desk
from peerfarm.node.fetching import Fetching
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.jobcontrol import JobControl
from peerfarm.node.joblist import JobList
from peerfarm.node.joblogs import JobLogs
from peerfarm.node.membership import Membership
from peerfarm.node.params import need, optional
from peerfarm.node.pins import Pins
from peerfarm.node.presence import Presence
from peerfarm.node.submitting import Submitting
from peerfarm.node.thumbnails import Thumbnails
from peerfarm.node.views import Views


class Requests:
    """Answers local requests, at once or when what they need has arrived."""

    def __init__(self, core: Core, presence: Presence, views: Views, settings: Mapping[str, Any], pins: Pins) -> None:
        self._core = core
        self._presence = presence
        self._views = views
        self.settings = settings
        """As `config` shows them; the daemon puts others in place when `init` or `join` changed the file."""
        self.desk = Desk(core)
        self.membership = Membership(core, presence, self.desk.reply, self.desk.refuse)
        self.job_list = JobList(core)
        self.control = JobControl(core, views, self.job_list)
        self.submitting = Submitting(core, presence, self.desk, pins)
        self.fetching = Fetching(core, self.control.found)
        self.logs = JobLogs(core, presence, self.desk, self.control.found)
        self.thumbnails = Thumbnails(core, presence, self.desk, self.control.found)
        self.traffic: Callable[[], Mapping[str, int]] = dict
        """What passed over the mesh since the start; the daemon knows."""
        self.listeners: set[int] = set()
        """Local clients that want events."""
        self.apps: tuple[dict[str, Any], ...] = ()
        self.problems: tuple[str, ...] = ()
        self._methods: dict[str, Callable[[LocalRequest], dict[str, Any] | None]] = {
            "hello": self._hello,
            "status": self._status,
            "nodes": lambda _: {"nodes": views.nodes()},
            "submit": self.submitting.submit,
            "cancel_submit": self.submitting.packing.cancel,
            "submission": self.submitting.packing.tell,
            "cancel_submission": self.submitting.packing.cancel_one,
            "fetch": self.fetching.fetch,
            "cancel_fetch": self.fetching.cancel,
            "inspect": self.submitting.inspect,
            "jobs": self.control.jobs,
            "job": self.control.job,
            "log": self.logs.log,
            "thumbnail": self.thumbnails.thumbnail,
            "pause": lambda r: self.control.change(r, "paused", True),
            "resume": lambda r: self.control.change(r, "paused", False),
            "priority": lambda r: self.control.change(r, "priority", need(r, "priority", int)),
            "cancel": self.control.cancel,
            "retry": self.control.retry,
            "delete": self.control.delete,
            "archive": self.control.archive,
            "init": self._init,
            "invite": self._invite,
            "join": self._join,
            "remove": self._remove,
            "apps": lambda _: {"apps": list(self.apps), "problems": list(self.problems)},
            "config": lambda _: {"settings": dict(self.settings)},
            "subscribe": self._subscribe,
            "stop": self._stop,
        }

    def handle(self, request: LocalRequest) -> None:
        """Answer, or begin what will answer later."""
        method = self._methods.get(request.method)
        if method is None:
            unknown = RequestRefused(f"there is no method {request.method}", "see the gateway's README")
            self.desk.refuse(request, unknown)
            return
        try:
            result = method(request)
        except RequestRefused as error:
            self.desk.refuse(request, error)
            return
        if result is not None:
            self.desk.reply(request, result)

    def client_gone(self, client: int) -> None:
        """A local connection closed."""
        self.listeners.discard(client)
        self.submitting.packing.client_gone(client)
        self.fetching.client_gone(client)
        self.desk.client_gone(client)

    def tick(self) -> None:
        """Nobody waits for ever."""
        self.thumbnails.tick()
        self.desk.tick()
        self.membership.tick()

    # Node and farm

    def _farm_row(self) -> dict[str, Any] | None:
        created = self._core.farm.created
        return {"id": created[1], "name": created[2]} if created is not None else None

    def _joining(self) -> dict[str, Any] | None:
        """Whom this node is joining; None when it belongs to a farm, or to none and asks for none."""
        if self._core.farm.created is not None:
            return None
        if self._core.farm_id is not None:
            return {"farm": self._core.farm_id, "members": sorted(name for _, name in self._presence.sponsors.values())}
        return {"farm": "", "members": []} if self.membership.is_joining else None

    def _hello(self, _request: LocalRequest) -> dict[str, Any]:
        mine = self._core.settings
        return {
            "protocol": 1,
            "version": mine.version,
            "node": self._core.node,
            "name": mine.name,
            "farm": self._farm_row(),
        }

    def _status(self, _request: LocalRequest) -> dict[str, Any]:
        alive = self._presence.alive()
        core = self._core
        return {
            "node": self._views.node_row(core.node),
            "farm": self._farm_row(),
            "joining": self._joining(),
            "ports": {"peers": core.settings.port, "files": core.settings.transfer_port},
            "jobs": self.job_list.counts(),
            "slots": self._views.slots(),
            "alarms": list(core.alarms),
            "disk": core.disk_error or "ok",
            "members": len(self._presence.peers) + (1 if core.farm.created is not None else 0),
            "live": len([peer for peer in alive if peer.has_greeted]) + (1 if core.farm.created is not None else 0),
            **self._views.at_work(),
            "store": self._views.files.store_row(),
            "traffic": dict(self.traffic()),
            "counters": {name: getattr(core.counters, name) for name in core.counters.__slots__},
        }

    def _init(self, request: LocalRequest) -> None:
        self.membership.found(request, need(request, "name", str), optional(request, "root", str, ""))

    def _invite(self, request: LocalRequest) -> None:
        self.membership.invite(request)

    def _join(self, request: LocalRequest) -> None:
        self.membership.join(request, need(request, "join", str))

    def _remove(self, request: LocalRequest) -> None:
        wanted = need(request, "node", str)
        nodes = [n for n in self._presence.peers if wanted in (n, self._presence.name_of(n))]
        if wanted in (self._core.node, self._core.settings.name):
            nodes.append(self._core.node)
        if len(nodes) != 1:
            problem = "is not a member of the farm" if not nodes else "is the name of several nodes: use the id"
            raise RequestRefused(f"{wanted} {problem}", "see `peerfarm nodes`")
        self.membership.remove(request, NodeId(nodes[0]))

    def _subscribe(self, request: LocalRequest) -> dict[str, Any]:
        self.listeners.add(request.client)
        return {"subscribed": True}

    def _stop(self, _request: LocalRequest) -> dict[str, Any]:
        self._core.is_stopping = True
        return {"stopping": True}
