"""Files that travel: each machine's blob store, fetches between them, packing, delivery, and what goes wrong there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed, Packed, PackOrder
from peerfarm.model.ids import NodeId
from peerfarm.model.render import FrameFile, PublishOrder, PublishResult, RenderTask
from peerfarm.node import inputs as i
from peerfarm.node.effects import Effects

if TYPE_CHECKING:
    from sim_node import SimNode
    from sim_world import World

PATIENCE = 4
"""So often a fetch looks for somebody who holds what is missing before it gives up."""
Ended = Callable[[FetchEnded], None]


@dataclass(slots=True)
class BlobDisk:
    """What a machine's blob store holds durably; it outlives the node."""

    blobs: dict[BlobId, bytes] = field(default_factory=dict)
    pins: dict[str, frozenset[BlobId]] = field(default_factory=dict)
    is_full: bool = False

    def pinned(self) -> set[BlobId]:
        """All that must not be evicted."""
        return {blob for blobs in self.pins.values() for blob in blobs}

    def has(self, blobs: Iterable[BlobId]) -> bool:
        """Whether all of them are here."""
        return all(blob in self.blobs for blob in blobs)


@dataclass(slots=True)
class _Fetch:
    shell: SimNode
    order: FetchOrder
    then: Ended
    life: int
    wanted: dict[BlobId, int]
    """Blob -> its size."""
    is_root_next: bool
    waited: int = 0


class SimFiles:
    """Moves blobs between the machines of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._fetches: dict[tuple[NodeId, str], _Fetch] = {}
        self._packs: dict[tuple[NodeId, str], PackOrder] = {}
        self.manifests: dict[BlobId, tuple[BlobRef, ...]] = {}
        """Root -> the files that it names."""

    # What a node wants

    def carry_out(self, shell: SimNode, effects: Effects) -> None:
        """As the daemon does, in its order."""
        for key in effects.fetch_stops:
            self._fetches.pop((shell.id, key), None)
        for order in effects.fetches:
            life = shell.life
            self.fetch(shell, order, lambda ended, life=life: shell.take_if(life, ended))  # type: ignore[misc]
        for request in effects.pack_stops:
            self._packs.pop((shell.id, request), None)
        for pack in effects.packs:
            self._packs[shell.id, pack.request] = pack
            self._world.after(0.05 + self._world.rng.random(), self._packed, shell, pack, shell.life)
        for key in effects.released:
            shell.blobs.pins.pop(key, None)

    def fetch(self, shell: SimNode, order: FetchOrder, then: Ended) -> None:
        """Bring blobs to a machine; a second order of the same key replaces the first."""
        fetch = _Fetch(
            shell, order, then, shell.life, {ref.id: ref.size_bytes for ref in order.refs}, order.is_manifest
        )
        self._fetches[shell.id, order.key] = fetch
        self._pin(fetch)
        self._world.after(0.002, self._go_on, fetch)

    def _pin(self, fetch: _Fetch) -> None:
        if fetch.order.pin:
            pins = fetch.shell.blobs.pins
            before = pins.get(fetch.order.pin, frozenset()) if fetch.is_root_next else frozenset()
            pins[fetch.order.pin] = before | frozenset(fetch.wanted)

    def _is_over(self, fetch: _Fetch) -> bool:
        return self._fetches.get((fetch.shell.id, fetch.order.key)) is not fetch or fetch.shell.life != fetch.life

    def _go_on(self, fetch: _Fetch) -> None:
        world, shell = self._world, fetch.shell
        if self._is_over(fetch):
            return
        if shell.is_paused:
            world.after(1.0, self._go_on, fetch)
            return
        missing = [blob for blob in fetch.wanted if blob not in shell.blobs.blobs]
        if not missing and fetch.is_root_next:
            fetch.is_root_next = False
            fetch.wanted |= {ref.id: ref.size_bytes for ref in self.manifests[fetch.order.refs[0].id]}
            self._pin(fetch)
            missing = [blob for blob in fetch.wanted if blob not in shell.blobs.blobs]
        if not missing:
            self._end(fetch, "")
            return
        near = [other for other in world.nodes.values() if self._reaches(shell, other)]
        found = next((blob for blob in missing if any(blob in other.blobs.blobs for other in near)), None)
        if found is not None:
            source = world.rng.choice([other for other in near if found in other.blobs.blobs])
            delay_s = world.rng.uniform(0.01, 0.6)
            world.after(delay_s, self._arrived, fetch, found, source, source.life)
            return
        fetch.waited += 1
        if fetch.waited < PATIENCE:
            world.after(world.rng.uniform(0.3, 1.0), self._go_on, fetch)
            return
        lacking = tuple(other.id for other in near if not any(blob in other.blobs.blobs for blob in missing))
        self._end(fetch, "no node that is here holds it", lacking, is_missing=True)

    def _reaches(self, one: SimNode, other: SimNode) -> bool:
        blocked = self._world.network.blocked
        return (
            other is not one
            and other.node is not None
            and not other.is_paused
            and other.id in one.allowed
            and one.id in other.allowed
            and (one.id, other.id) not in blocked
            and (other.id, one.id) not in blocked
        )

    def _arrived(self, fetch: _Fetch, blob: BlobId, source: SimNode, life: int) -> None:
        world, shell = self._world, fetch.shell
        if self._is_over(fetch):
            return
        data = source.blobs.blobs.get(blob)
        if source.life != life:
            world.fire("a holder died mid-transfer", source.name)
        elif data is None:
            world.fire("a blob evicted mid-transfer", source.name)
        elif world.rng.random() < world.plan.spoil_block:
            world.fire("a block spoilt on its way", source.name)
        elif shell.blobs.is_full:
            world.fire("no room for a blob", shell.name)
            self._end(fetch, "the store is full", is_disk_full=True, is_disk_error=True)
            return
        else:
            shell.blobs.blobs[blob] = data
            done = sum(1 for wanted in fetch.wanted if wanted in shell.blobs.blobs)
            shell.take_if(fetch.life, FetchProgressed(fetch.order.key, done, len(fetch.wanted), 1.0))
        self._go_on(fetch)

    def _end(self, fetch: _Fetch, error: str, lacking: tuple[NodeId, ...] = (), **why: bool) -> None:
        del self._fetches[fetch.shell.id, fetch.order.key]
        fetch.then(FetchEnded(fetch.order.key, error, lacking, **why))

    # Packing

    def _packed(self, shell: SimNode, order: PackOrder, life: int) -> None:
        if shell.life != life or shell.node is None or self._packs.pop((shell.id, order.request), None) is None:
            return
        world = self._world
        if shell.blobs.is_full:
            shell.take(Packed(order.request, None, error="the store is full"))
            return
        files = [f"{order.job} {number}".encode() for number in range(world.rng.choice((0, 1, 3)))]
        if not files:
            shell.take(Packed(order.request, None))
            return
        refs = tuple(BlobRef(_id_of(data), len(data)) for data in files)
        raw = b"manifest " + b"".join(ref.id for ref in refs)
        root = BlobRef(_id_of(raw), len(raw))
        self.manifests[root.id] = refs
        blobs = {_id_of(data): data for data in (raw, *files)}
        shell.blobs.blobs |= blobs
        shell.blobs.pins[f"scene/{order.job}"] = frozenset(blobs)
        shell.take(Packed(order.request, root))

    def has_scene(self, shell: SimNode, root: BlobId) -> bool:
        """Whether a machine holds all files of a job."""
        return shell.blobs.has((root, *(ref.id for ref in self.manifests[root])))

    # Frames

    def take_in(self, shell: SimNode, task: RenderTask, frames: tuple[FrameFile, ...]) -> None:
        """Put an attempt's verified frames into the worker's store, durably."""
        kept = self._world.storage.attempts[task.attempt]
        blobs = {_id_of(data): data for data in kept.values()}
        shell.blobs.blobs |= blobs
        shell.blobs.pins[f"result/{task.job}/{task.attempt}"] = frozenset(BlobId(frame.sha256) for frame in frames)

    def bring(
        self, shell: SimNode, key: str, frames: Iterable[FrameFile], holders: Iterable[NodeId], then: Ended
    ) -> None:
        """Have frames in a machine's store; nothing keeps them there."""
        refs = tuple(BlobRef(BlobId(frame.sha256), frame.size_bytes) for frame in frames)
        self.fetch(shell, FetchOrder(key, refs, holders=tuple(holders)), then)

    def deliver(self, shell: SimNode, order: PublishOrder) -> None:
        """Fetch frames, and bring them under their final names on the submitter's machine."""
        life = shell.life

        def ended(told: FetchEnded) -> None:
            if shell.life == life and shell.node is not None:
                shell.take(i.Published(self._delivered(shell, order, told)))

        self.bring(shell, f"result/{order.job}/{order.attempt}", order.frames, order.holders, ended)

    def _delivered(self, shell: SimNode, order: PublishOrder, told: FetchEnded) -> PublishResult:
        world = self._world
        place = (order.attempt, order.job, order.step, order.task)
        if told.error:
            return PublishResult(*place, told.error, lacking=told.lacking, is_missing=told.is_missing)
        if world.storage.is_refusing:
            return PublishResult(*place, "the output folder refuses")
        world.watch.publishes(shell, order)
        note = world.jobs.get(order.job)
        is_hers = note is None or note.submitter == shell.id or order.is_asked_here
        world.check("P9", is_hers, f"{shell.name} puts frames of another node's job into a folder of its own")
        for frame in order.frames:
            final = world.storage.published.get((order.output_dir, frame.name))
            if final is not None and _id_of(final) == frame.sha256:
                continue
            if final is not None and _id_of(final) not in order.former and not order.is_overwriting:
                if not world.watch.charges.rolled_back:
                    return PublishResult(*place, f"{frame.name} exists already and is not of this job")
                world.count("files of attempts that a lost disk forgot")
            data = shell.blobs.blobs.get(BlobId(frame.sha256))
            if data is None:
                return PublishResult(*place, f"{frame.name} was evicted a moment ago")
            world.storage.published[order.output_dir, frame.name] = data
            world.storage.writers[order.output_dir, frame.name] = shell.id
        return PublishResult(*place)

    # What goes wrong

    def evict(self, shell: SimNode) -> None:
        """The store makes room: any blob goes that no pin keeps."""
        pinned = shell.blobs.pinned()
        for blob in [blob for blob in shell.blobs.blobs if blob not in pinned]:
            del shell.blobs.blobs[blob]
            self._world.count("blobs evicted")

    def lose(self, shell: SimNode) -> None:
        """The machine's disk is gone."""
        shell.blobs = BlobDisk()

    def scene_is_gone(self, root: str) -> bool:
        """Whether no machine of the farm holds a job's files together: with its submitter's disk they are lost."""
        ids = (BlobId(bytes.fromhex(root)),) if root else ()
        needed = {*ids, *(ref.id for root_id in ids for ref in self.manifests[root_id])}
        there = {blob for shell in self._world.up() for blob in shell.blobs.blobs}
        return bool(needed - there)


def _id_of(data: bytes) -> BlobId:
    return BlobId(hashlib.sha256(data).digest())
