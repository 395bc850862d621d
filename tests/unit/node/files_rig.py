"""A node whose jobs' files travel, with peers that the test plays and a store that ends what it is told to."""

from __future__ import annotations

from typing import Any

import msgpack
from node_rig import CLIENT, Solo

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, Packed
from peerfarm.model.ids import ActionId, BootId, FarmId, JobId, LogId, NodeId, node_id_of, parse_attempt_label
from peerfarm.model.job import JOB_VERSION, FilesMode, JobSpec, Step
from peerfarm.model.render import AttemptRendered, FrameFile, PublishOrder, PublishResult, RenderTask
from peerfarm.model.speccodec import encode_spec
from peerfarm.model.worker import AppTold
from peerfarm.node import inputs
from peerfarm.node.effects import Effects
from peerfarm.protocol.messages import PROTOCOL_VERSION, About, Actions, Beat, Greeting, VectorAsk, VectorTell
from peerfarm.state.actions import Body, JobSubmitted, MemberAdded, decode_action, encode_action
from peerfarm.state.logbook import encode_vector

FARM = FarmId("farmfarmfarmfarm")
ROOT = BlobRef(BlobId(b"r" * 32), 400)
MINTED = JobId("jobminted222")


class Elm:
    """A peer that the test plays."""

    def __init__(self, solo: FileSolo, name: str = "elm") -> None:
        self.solo = solo
        self.name = name
        self.key = name.ljust(40, "p")
        self.id: NodeId = node_id_of(self.key)
        self.log = LogId((name + "logs2222")[:8])
        solo.node.core.record(MemberAdded(self.id, self.key, name))
        self.come()

    def come(self, boot: str = "peerboot") -> None:
        """It connects, greets, and holds what this node holds."""
        solo = self.solo
        self.boot = BootId(boot)
        solo.turn(inputs.LinkUp(self.id))
        solo.hear(self.id, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), boot))
        solo.hear(self.id, self.about())
        self.compare()

    def about(self, apps: tuple[AppTold, ...] = ()) -> About:
        """What it says that it is."""
        return About(self.name, "0", True, 1, JOB_VERSION, (), (), apps, 1000, 4, ())

    def compare(self) -> None:
        """It answers what it holds."""
        for ask in self.solo.said(self.id, VectorAsk):
            self.solo.hear(self.id, VectorTell(ask.token, tuple(encode_vector(self.solo.node.core.book.vector))))

    def leave(self) -> None:
        """Its connection closes and does not come back."""
        self.solo.turn(inputs.LinkDown(self.id))
        self.solo.wait(4)

    def say(self, *bodies: Body) -> list[ActionId]:
        """It records these actions; their identities."""
        key = (self.id, self.log)
        first = self.solo.node.core.book.seq_of(key) + 1
        raws = [encode_action(FARM, (*key, seq), 500 + seq, 0, body) for seq, body in enumerate(bodies, first)]
        self.solo.hear(self.id, Actions(tuple(raws)))
        return [(*key, first + place) for place in range(len(bodies))]

    def submit(self, job: JobId, *, manifest: bool = True, priority: int = 50, frames: int = 4) -> None:
        """It submits a job of one step whose files travel."""
        step = Step("r", "ocean", {}, ((1, frames, 1),), 1, "/out", "sea_####.png")
        root = {"manifest": ROOT.id.hex(), "manifest_bytes": ROOT.size_bytes} if manifest else {}
        spec = JobSpec("sea", "ada", (step,), priority, files=FilesMode.PEERS, **root)  # type: ignore[arg-type]
        self.say(JobSubmitted(job, msgpack.packb(encode_spec(spec))))

    def told(self, kind: type[Any]) -> list[Any]:
        """What this node said to it."""
        return self.solo.said(self.id, kind)


class FileSolo(Solo):
    """Solo, with the parts of the shell that files need."""

    def found(self) -> None:
        super().found()
        self.turn()

    def submit_files(
        self, *, root: BlobRef | None = None, job: JobId = MINTED, size_bytes: int = 0, **fields: Any
    ) -> JobId:
        """Submit a job of two frames whose files travel; it is packed at once."""
        spec = {"name": "sea", "app": "ocean", "frames": "1-2", "chunk": 1, "output": "/out/sea_####.png"}
        minted = inputs.Minted(job, FARM, "t" * 32)
        spec = {**spec, "files": "peers", **fields}
        request = {"job": {name: value for name, value in spec.items() if value is not None}}
        (order,) = self.turn(inputs.LocalRequest(CLIENT, "submit", "submit", request, minted)).packs
        (answer,) = self.turn(Packed(order.request, root, files=1, size_bytes=size_bytes)).answers
        assert answer.error is None
        return job

    def frames(self, task: RenderTask) -> tuple[FrameFile, ...]:
        return tuple(FrameFile(task.frame_name(frame), 10, bytes([frame]) * 32) for frame in task.frames)

    def rendered(self, task: RenderTask) -> Effects:
        """The runner has verified an attempt's frames and taken them into the store."""
        return self.turn(inputs.RunnerSaid(AttemptRendered(task.attempt, self.frames(task), 2.0)))

    def fetched(self, key: str, error: str = "") -> Effects:
        """A fetch ended."""
        return self.turn(FetchEnded(key, error))

    def fetches(self) -> list[FetchOrder]:
        return [order for effects in self.effects for order in effects.fetches]

    def released(self) -> list[str]:
        return [key for effects in self.effects for key in effects.released]

    def publishes(self) -> list[PublishOrder]:
        return [order for effects in self.effects for order in effects.publishes]

    def placed(
        self, order: PublishOrder, error: str = "", lacking: tuple[NodeId, ...] = (), *, is_missing: bool = False
    ) -> Effects:
        """A publish order ended."""
        place = (order.attempt, order.job, order.step, order.task)
        result = PublishResult(*place, error, lacking=lacking, is_missing=is_missing)
        return self.turn(inputs.Published(result))

    def recorded(self, kind: type[Any]) -> list[Any]:
        """Own actions of that kind."""
        bodies = [decode_action(row[3]).body for effects in self.effects for row in effects.rows if row[0] == self.id]
        return [body for body in bodies if isinstance(body, kind)]

    def beats(self, elm: Elm, seconds: float) -> None:
        """Time passes while the peer stays alive."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.wait(min(1.0, end_s - self.now_s))
            self.hear(elm.id, Beat(elm.boot, b"", "", 1, 0, ()))

    def restarted(self, pins: tuple[str, ...] = ()) -> FileSolo:
        """The same node after a restart that lost nothing."""
        log = [row[3] for effects in self.effects for row in effects.rows]
        return FileSolo(name=self.node.core.settings.name, log=log, pins=pins, boot="bootnew2")


def lease_of(task: RenderTask) -> ActionId:
    lease = parse_attempt_label(task.attempt)
    assert lease is not None
    return lease
