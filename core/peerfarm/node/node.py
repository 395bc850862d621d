"""The node: hands each input to the part that it concerns, then lets the parts settle into effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from peerfarm.errors import PeerProtocolError, RequestRefused
from peerfarm.model.files import FetchEnded, FetchProgressed, Packed, PackProgressed, StoreTold
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.preview import Previewed
from peerfarm.model.render import Discovered, Inspected
from peerfarm.node import inputs as i
from peerfarm.node.copies import Copies
from peerfarm.node.core import Core, NodeSettings
from peerfarm.node.dispatch import Dispatch
from peerfarm.node.effects import Effects
from peerfarm.node.fileviews import FileViews
from peerfarm.node.homecoming import Homecoming
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.keeping import Keeping
from peerfarm.node.outcomes import Outcomes
from peerfarm.node.owndisk import OwnDisk
from peerfarm.node.pins import Pins
from peerfarm.node.presence import Presence
from peerfarm.node.publishing import Publishing
from peerfarm.node.replication import Replication
from peerfarm.node.requests import Requests
from peerfarm.node.scenes import Scenes
from peerfarm.node.snapshots import Snapshots
from peerfarm.node.stuckfiles import StuckFiles
from peerfarm.node.travelling import TravellingJobs
from peerfarm.node.views import Views
from peerfarm.node.work import Work
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol import filemessages as fm
from peerfarm.protocol import messages as m
from peerfarm.state.farm import Farm, JobState, get_job
from peerfarm.state.reduce import apply_known

TICK_S = 0.5
"""Longest time between two ticks while a task is leased; else a tick comes with each heartbeat."""
SOON_S = 0.1


class Node:
    """One member of a farm, without clock, sockets, disk or processes.

    Feed `handle` with everything that happens, then take the effects with `settle` once per turn of the loop, and
    carry them out in the order of their fields.
    """

    def __init__(
        self, identity: i.Identity, settings: NodeSettings, described: Mapping[str, Any] | None = None
    ) -> None:
        self.core = Core(identity, settings)
        self.index = JobIndex(self.core)
        self.presence = Presence(self.core, self._running)
        self.replication = Replication(self.core, self.presence)
        self.snapshots = Snapshots(self.core, self.presence, self.replication)
        self.dispatch = Dispatch(self.core, self.presence, self.replication, self.index)
        self.pins = Pins(self.core)
        self.scenes = Scenes(self.core, self.presence, self.index, self.pins)
        self.copies = Copies(self.core, self.presence, self.pins)
        self.keeping = Keeping(self.core, self.presence, self.pins)
        self.travelling = TravellingJobs()
        self.stuck = StuckFiles(self.core, self.presence, self.scenes.stuck)
        self.work = Work(self.core, self.presence, self.dispatch, self.index, self.scenes, self.copies, self.stuck)
        self.own_disk = OwnDisk(self.core, self.work)
        self.publishing = Publishing(self.core, self.dispatch)
        self.homecoming = Homecoming(self.core, self.pins, self.keeping, self.publishing)
        files = (self.scenes, self.copies, self.stuck, self.homecoming)
        self.file_views = FileViews(self.core, self.presence, *files)
        self.views = Views(
            self.core, self.presence, self.replication, self.dispatch, self.work, self.publishing, self.file_views
        )
        self.outcomes = Outcomes(self.core, self.views)
        self.requests = Requests(self.core, self.presence, self.views, described or {}, self.pins)
        self.fetching = self.requests.fetching
        self.file_views.stuck = self.publishing.stuck
        self.publishing.is_taken = self.fetching.is_under_way
        self.publishing.is_here = self._is_here
        self.fetching.is_taken = self.publishing.is_under_way
        self.fetching.on_ended = self.publishing.on_taken_ended
        self.fetching.away = self.file_views.waits.away
        self.presence.fetching = self.scenes.told
        self.index.on_changed += [
            self.dispatch.on_job_changed,
            self.publishing.on_job_changed,
            self.outcomes.on_job_changed,
            self.scenes.on_job_changed,
            self.copies.on_job_changed,
            self.pins.on_job_changed,
            self.travelling.on_job_changed,
            self.requests.job_list.on_job_changed,
            self._forget_attempts,
        ]
        self.presence.on_gone.append(lambda _node, _state: self.publishing.on_dispatcher_changed())
        self.presence.on_alive.append(lambda _node: self.publishing.on_dispatcher_changed())
        self._is_stop_begun = False
        self._is_over = False
        self._messages: dict[type[Any], Callable[[Any, Any], None]] = {
            m.Whereabouts: self.presence.told_whereabouts,
            m.Goodbye: self.presence.left,
            m.Actions: self.replication.on_actions,
            m.VectorAsk: self.replication.on_vector_ask,
            m.VectorTell: self.replication.on_vector_tell,
            m.Pull: self.replication.on_pull,
            m.Held: self.replication.on_held,
            m.SnapshotPart: self.snapshots.on_part,
            m.SnapshotGot: self.snapshots.on_got,
            m.LeaseAsk: self.dispatch.on_ask,
            m.LeaseWithdrawn: self.dispatch.on_withdrawn,
            m.LeaseRefused: lambda _peer, message: self.work.on_refused(message),
            fm.KeepAsk: self.keeping.on_ask,
            fm.KeepTold: self.copies.on_told,
            fm.KeepMoved: self.copies.on_moved,
            fm.FilesStuck: self.stuck.on_told,
            m.LogAsk: self.requests.logs.on_log_ask,
            m.LogTell: self.requests.logs.on_log_tell,
            fm.PictureAsk: self.requests.thumbnails.for_peers.on_ask,
            fm.PictureTell: self.requests.thumbnails.on_tell,
        }
        self._inputs: dict[type[Any], Callable[[Any], None]] = {
            i.LinkUp: self._link_up,
            i.LinkDown: lambda e: self.presence.link_down(e.node),
            i.NotAdmitted: lambda _: self.presence.not_admitted(),
            i.Received: self._received,
            i.JoinAsked: self.requests.membership.asked,
            i.JoinAnswered: self.requests.membership.answered,
            i.JoinOpened: self.requests.membership.opened,
            i.LocalRequest: self._local_request,
            i.ClientGone: self._client_gone,
            i.RunnerSaid: lambda e: self.work.on_runner(e.event),
            i.Published: self._published,
            FetchProgressed: self._fetch_progressed,
            FetchEnded: self._fetch_ended,
            PackProgressed: self.requests.submitting.packing.on_progressed,
            Packed: self._packed,
            StoreTold: self.file_views.on_store_told,
            Discovered: self._discovered,
            Inspected: self.requests.submitting.on_inspected,
            i.PathsChecked: self.requests.submitting.on_paths_checked,
            i.LogRead: self.requests.logs.on_log_read,
            Previewed: self.requests.thumbnails.on_previewed,
            i.RowsRead: self.replication.on_rows,
            i.DiskRefused: self.own_disk.refused,
            i.DiskRecovered: self.own_disk.recovered,
            i.Load: self._load,
            i.Tick: lambda _: self._tick(),
            i.StopAsked: lambda _: self._stop(),
        }

    def _forget_attempts(self, job: JobId, state: JobState | None) -> None:
        if state is not None and (state.archived is not None or state.deleted is not None):
            self.core.effects.forgotten.append(job)

    def _running(self) -> tuple[m.RunningAttempt, ...]:
        return self.work.running()

    # Start

    def restore(self, farm: Farm) -> None:
        """Put in place what the snapshot on disk held; before any `core.replay`."""
        self.core.farm = apply_known(farm)

    def start(self, remembered: i.Remembered, now_s: float) -> None:
        """The log is replayed: begin. Grants wait until every member was compared with."""
        self._advance(now_s)
        self.replication.own_log_before = remembered.own_log
        self.replication.is_in_doubt = remembered.is_in_doubt
        self.replication.cut = dict(remembered.cut)
        if remembered.joining and self.core.farm.created is None:
            self.presence.remember_sponsors(remembered.joining)
        self.presence.start(remembered.addresses)
        self.pins.start(remembered.pins)
        self.core.refresh(self.core.farm)
        self.replication.need_all_comparisons()
        self.index.freshen()

    # One turn

    def handle(self, event: i.Input | Discovered | Inspected, now_s: float) -> None:
        """Take note of one thing that happened; what follows from it waits in `settle`."""
        self._advance(now_s)
        self._inputs[type(event)](event)

    def settle(self, now_s: float) -> Effects:
        """End the turn: everything that follows from its inputs. The caller owns the value."""
        self._advance(now_s)
        try:
            self.work.settle()
            self.index.freshen()
            self.scenes.settle()
            self.publishing.settle()
            self.fetching.settle()
            self.outcomes.tick()
            if self.index.is_stale:
                self.work.settle()
        except RequestRefused as error:
            self.core.alarm(str(error))
        self.replication.flush()
        if self._is_stop_begun and not self.work.attempts and not self._is_over:
            self._is_over = True
            self.core.effects.is_over = True
            self.presence.say_goodbye()
        effects, self.core.effects = self.core.effects, Effects()
        return effects

    def next_s(self, now_s: float) -> float:
        """Monotonic time of the next tick that is due."""
        due = self.presence.next_s
        if self.dispatch.open:
            due = min(due, now_s + TICK_S)
        told = self.outcomes.next_s
        if told is not None:
            due = min(due, max(told, now_s))
        if self.core.effects.rows or self.dispatch.is_waiting or self.publishing.is_marking:
            due = min(due, now_s + SOON_S)
        return due

    def _advance(self, now_s: float) -> None:
        self.core.mono_s = now_s
        self.core.now_s = self.core.clock.advance(now_s)

    def _tick(self) -> None:
        self.presence.tick()
        try:
            self.replication.tick()
            for ask in self.dispatch.tick():
                self.work.own_ask_refused(ask)
            self.work.tick()
            self.scenes.tick()
            self.stuck.tick()
            self.copies.tick()
            self.publishing.tick()
            self.pins.tick()
            self.homecoming.tick()
            self.snapshots.tick()
        except RequestRefused as error:
            self.core.alarm(str(error))
        self.requests.tick()
        if self.core.is_stopping and not self._is_stop_begun:
            self._stop()

    @property
    def are_files_travelling(self) -> bool:
        """Whether this node fetches, or may soon be asked to, so that it keeps transfer links to its peers."""
        parts = (self.scenes, self.copies, self.keeping, self.fetching)
        return bool(self.travelling) or any(part.is_busy for part in parts)

    def jobs_with_files(self) -> frozenset[JobId] | None:
        """The jobs whose files travel; None before this node has compared with all members that are there."""
        return self.travelling.jobs if self.core.is_member and not self.dispatch.must_compare else None

    def _is_here(self, node: NodeId) -> bool:
        peer = self.presence.peers.get(node)
        return node == self.core.node or (peer is not None and peer.state is PeerState.LIVE)

    # Inputs

    def _published(self, event: i.Published) -> None:
        result = event.result
        if not self.fetching.on_result(result):
            self.publishing.on_result(result)
            self.homecoming.on_ended(f"{result.job}/{result.attempt}", result.error)

    def _fetch_progressed(self, event: FetchProgressed) -> None:
        kind, _, rest = event.key.partition("/")
        job, _, attempt = rest.partition("/")
        if kind == "scene":
            self.scenes.on_progressed(JobId(job), event)
        elif kind == "keep":
            self.keeping.on_progressed(event)
        elif kind == "result":
            self.fetching.on_progressed(JobId(job), attempt, event)
        self.homecoming.on_progressed(event)

    def _packed(self, event: Packed) -> None:
        packing = self.requests.submitting.packing
        job = packing.job_of(event.request)
        packing.on_packed(event)
        if job is not None and event.root is not None and get_job(self.core.farm, job) is not None:
            self.scenes.learn_size(job, event.size_bytes)

    def _fetch_ended(self, event: FetchEnded) -> None:
        self.file_views.on_fetch_ended(event)
        kind, _, rest = event.key.partition("/")
        if kind == "scene":
            self.scenes.on_ended(JobId(rest), event)
        elif kind == "keep":
            self.keeping.on_ended(event)
            self.homecoming.on_ended(rest, event.error)

    def _link_up(self, event: i.LinkUp) -> None:
        self.replication.link_up(event.node)
        self.presence.link_up(event.node)

    def _received(self, event: i.Received) -> None:
        peer = self.presence.peers.get(event.node)
        if peer is None:
            return
        try:
            message = m.decode_message(event.data)
            if message is None:
                return
            if isinstance(message, m.Greeting):
                self.presence.greeted(peer, message)
                return
            if isinstance(message, m.About):
                self.presence.told_about(peer, message)
                self.dispatch.forget_dispatchers()
                return
            if not peer.has_greeted:
                return
            self.presence.heard(peer)
            if isinstance(message, m.Beat):
                self.presence.beaten(peer, message)
                self.file_views.on_beat(peer)
                self.replication.on_beat(peer, message)
                return
            part = self._messages.get(type(message))
            if part is not None:
                part(peer, message)
        except PeerProtocolError as error:
            self.core.counters.refused_messages += 1
            self.core.alarm(f"node {self.presence.name_of(event.node)} broke the protocol: {error}")
            self.core.effects.hang_ups.append(NodeId(event.node))
            self.presence.link_down(event.node)
        except RequestRefused as error:
            self.core.alarm(str(error))

    def _local_request(self, event: i.LocalRequest) -> None:
        self.requests.handle(event)
        self.outcomes.is_listened_to = bool(self.requests.listeners)
        if self.core.is_stopping:
            self._stop()

    def _client_gone(self, event: i.ClientGone) -> None:
        self.requests.client_gone(event.client)
        self.outcomes.is_listened_to = bool(self.requests.listeners)

    def _discovered(self, event: Discovered) -> None:
        self.presence.apps = tuple((c.app, c.version, c.tags) for c in event.capabilities)
        self.requests.apps = tuple(
            {"app": c.app, "version": c.version, "executable": c.executable, "tags": list(c.tags)}
            for c in event.capabilities
        )
        self.requests.problems = event.problems
        self.presence.announce()
        self.work.wake()

    def _load(self, event: i.Load) -> None:
        self.presence.load_percent = event.percent
        self.own_disk.has_room(event.free_bytes)

    def _stop(self) -> None:
        self.core.is_stopping = True
        if not self._is_stop_begun:
            self._is_stop_begun = True
            self.publishing.flush_marks()
            self.work.stop_all("node-stopped")
