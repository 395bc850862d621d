"""Members that are broken or hostile: whatever they send, the node goes on, and its memory and turns stay bounded."""

from __future__ import annotations

import msgpack
import pytest
from node_rig import Solo

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import ALPHABET, ActionId, BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JOB_VERSION, MAX_TASKS_PER_STEP
from peerfarm.node import inputs
from peerfarm.node.comparing import MAX_CLAIMS
from peerfarm.node.joblogs import MAX_READS
from peerfarm.node.links import MAX_KNOWN
from peerfarm.node.pulling import MAX_PULLS
from peerfarm.protocol.messages import (
    MAX_ROWS,
    PROTOCOL_VERSION,
    About,
    Actions,
    Greeting,
    Held,
    LogAsk,
    Pull,
    SnapshotPart,
    VectorAsk,
    VectorTell,
    encode_message,
)
from peerfarm.state.actions import (
    Body,
    JobDeleted,
    MemberAdded,
    TaskRendered,
    TasksCancelled,
    TasksRetried,
    encode_action,
)
from peerfarm.state.entities import state_hash
from peerfarm.state.farm import EMPTY_FARM
from peerfarm.state.logbook import encode_vector
from peerfarm.state.snapshot import encode_snapshot, join_part

KEY = "p" * 40
PEER: NodeId = node_id_of(KEY)
LOG = LogId("evilevil")
JOB = JobId("jobjobjobjob")


class Bad:
    """A member that says what it likes to one real node."""

    def __init__(self) -> None:
        self.solo = Solo()
        self.solo.found()
        self.solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
        self.solo.turn()
        self.boot = BootId("peerboot")
        self.arrive()
        for ask in self.solo.said(PEER, VectorAsk):
            self.solo.hear(PEER, VectorTell(ask.token, tuple(encode_vector(self.solo.node.core.book.vector))))
        self._seqs: dict[LogId, int] = {}

    @property
    def farm(self) -> FarmId:
        farm = self.solo.node.core.farm_id
        assert farm is not None
        return farm

    @property
    def alarms(self) -> list[str]:
        return self.solo.node.core.alarms

    def arrive(self) -> None:
        """Greet, as after a new connection."""
        self.solo.turn(inputs.LinkUp(PEER))
        self.solo.hear(PEER, Greeting(PROTOCOL_VERSION, str(self.farm), self.boot))
        self.solo.hear(PEER, About("elm", "0", True, 1, JOB_VERSION, (), (), (("ocean", "", ()),), 1000, 4, ()))

    def action(self, body: Body, log: LogId = LOG) -> bytes:
        self._seqs[log] = self._seqs.get(log, 0) + 1
        return encode_action(self.farm, (PEER, log, self._seqs[log]), 10 + self._seqs[log], 0, body)

    def act(self, *bodies: Body) -> None:
        for body in bodies:
            self.solo.hear(PEER, Actions((self.action(body),)))


@pytest.fixture
def bad() -> Bad:
    return Bad()


def log_id(number: int) -> LogId:
    return LogId("".join(ALPHABET[number >> 5 * place & 31] for place in range(8)))


def test_marks_and_results_that_outgrow_a_message_travel_in_pieces(bad: Bad) -> None:
    everything = ((0, MAX_TASKS_PER_STEP - 1),)
    frames = tuple(("x" * 200 + str(number), 1, bytes(32)) for number in range(240))
    for generation in range(12):
        bad.act(TasksCancelled(JOB, 0, everything, generation), TasksRetried(JOB, 0, everything, generation + 1))
        bad.act(*(TaskRendered(JOB, 1, 0, (PEER, LOG, generation * 2 + n + 1), frames, 1) for n in range(2)))
    farm = bad.solo.node.core.farm
    joined = EMPTY_FARM
    for part in encode_snapshot(farm):
        encode_message(SnapshotPart("", 0, False, part, ()))
        joined = join_part(joined, part)
    assert state_hash(joined) == state_hash(farm)


def with_claim(bad: Bad) -> None:
    """The member says that it holds more than the node, so the node asks it for that."""
    bad.arrive()
    ask = bad.solo.said(PEER, VectorAsk)[-1]
    bad.solo.hear(PEER, VectorTell(ask.token, ((PEER, LOG, 99, b"12345678"),)))
    assert bad.solo.said(PEER, Pull)


def test_a_snapshot_cannot_bring_in_what_no_action_could(bad: Bad) -> None:
    bad.solo.submit(frames="1", output="/out/sea_####.png")
    (job,) = (JobId(row["id"]) for row in bad.solo.ask("jobs")["jobs"])
    lease: ActionId = (PEER, LOG, 1)
    odd_endings = [
        [None, [lease, 1, "x", {}, 7, "y"], None, None],
        [[lease, 5, 5], None, None, None],
        [None, None, [lease, 5], None],
        [None, None, None, [lease, "r" * 100]],
    ]
    odd = [[[lease, [1, 0, PEER, "boot", 1], *endings]] for endings in odd_endings]
    odd.append([[lease, [1, 0, PEER, "boot", -5], None, None, None, None]])
    for record in odd:
        part = msgpack.packb([msgpack.packb(("task", job, 0, 0, msgpack.packb(record)))])
        with pytest.raises(PeerProtocolError):
            join_part(EMPTY_FARM, part)
        with_claim(bad)
        bad.solo.hear(PEER, SnapshotPart(str(bad.farm), 0, False, part, ()))
        bad.solo.hear(PEER, SnapshotPart(str(bad.farm), 1, True, b"", ()))
        bad.arrive()
        (step,) = bad.solo.ask("job", job=job)["steps"]
        assert len(step["tasks"]) == 1


def test_a_flood_of_pulls_and_log_questions_is_served_a_little_a_turn(bad: Bad) -> None:
    core = bad.solo.node.core
    ((node, log),) = [key for key in core.book.vector if key[0] == core.node]
    pull = encode_message(Pull(((node, log, 1, 9),) * 1000))
    ask = encode_message(LogAsk(1, (node, log, 1), 0, 1000))
    flood = [inputs.Received(PEER, raw) for raw in (pull, ask) * 100]
    effects = bad.solo.turn(*flood)
    assert 0 < len(effects.reads) <= MAX_PULLS
    assert 0 < len(effects.log_reads) <= MAX_READS
    assert len(bad.solo.turn(inputs.Received(PEER, pull)).reads) == MAX_PULLS


def test_questions_for_the_vector_are_answered_once_a_turn(bad: Bad) -> None:
    before = len(bad.solo.said(PEER, VectorTell))
    bad.solo.turn(*(inputs.Received(PEER, encode_message(VectorAsk(token))) for token in range(1, 200)))
    told = bad.solo.said(PEER, VectorTell)[before:]
    assert [message.token for message in told] == [199]


def test_claims_of_ever_new_logs_cost_no_memory_without_end(bad: Bad) -> None:
    link = bad.solo.node.replication.link
    for number in range(500):
        bad.solo.hear(PEER, Held(log_id(number), 3))
    assert len(link(PEER).held) <= 1
    bad.arrive()
    for batch in range(15):
        for ask in bad.solo.said(PEER, VectorAsk)[-1:]:
            rows = tuple((PEER, log_id(batch * MAX_ROWS + number), 5, b"12345678") for number in range(MAX_ROWS))
            bad.solo.hear(PEER, VectorTell(ask.token, rows, ask.since, ask.since + 1, is_last=False))
    for batch in range(15):
        late = (
            encode_action(bad.farm, (PEER, log_id(-1 - batch * 3000 - n), 7), 9, 0, JobDeleted(JOB))
            for n in range(3000)
        )
        bad.solo.hear(PEER, Actions(tuple(late)))
    assert len(link(PEER).claims) <= MAX_CLAIMS + MAX_ROWS
    assert len(link(PEER).known) <= MAX_KNOWN


def test_a_members_name_over_two_lines_keeps_no_newcomer_from_starting_again() -> None:
    newcomer = Solo()
    members = [(PEER, KEY, "two\nlines", ("127.0.0.1:1",))]
    newcomer.node.presence.sponsored(FarmId("farmfarmfarmfarm"), members)
    fact = newcomer.turn().facts["joining"]
    again = Solo()
    again.node.start(inputs.Remembered(joining=fact), 200.0)
    assert [row["id"] for row in again.ask("nodes")["nodes"]] == [again.id, PEER]
    assert again.ask("status")["joining"] == {"farm": "farmfarmfarmfarm", "members": ["two lines"]}


def test_the_alarm_of_a_full_disk_goes_with_its_reason(bad: Bad) -> None:
    bad.solo.turn(inputs.DiskRefused("no room"))
    assert "no room" in bad.solo.ask("status")["alarms"][-1]
    bad.solo.turn(inputs.DiskRecovered())
    assert bad.solo.ask("status")["alarms"] == []
