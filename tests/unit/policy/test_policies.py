"""What a node decides: who dispatches, who is alive, which task to whom, whom to push to."""

from __future__ import annotations

import pytest

from peerfarm.model.ids import JobId, NodeId
from peerfarm.policy.dispatcher import dispatcher_of
from peerfarm.policy.eligible import left_off
from peerfarm.policy.leases import choose_task
from peerfarm.policy.liveness import AttentiveClock, PeerState, Signs, counts_as_alive, judge
from peerfarm.policy.neighbours import FULL_MESH, neighbours
from peerfarm.state.farm import EMPTY_FARM, EMPTY_JOB, get_job
from peerfarm.state.join import join_task

JOB = JobId("jobjobjobjob")
A, B, C = (NodeId(letter * 16) for letter in "abc")


@pytest.mark.parametrize(
    ("signs", "now_s", "expected"),
    [
        (Signs(0.0), 7.9, PeerState.UNKNOWN),
        (Signs(0.0), 8.0, PeerState.DEAD),
        (Signs(0.0, heard_s=10.0), 12.9, PeerState.LIVE),
        (Signs(0.0, heard_s=10.0), 13.0, PeerState.SUSPECT),
        (Signs(0.0, heard_s=10.0), 17.9, PeerState.SUSPECT),
        (Signs(0.0, heard_s=10.0), 18.0, PeerState.DEAD),
        (Signs(0.0, heard_s=10.0, lost_s=10.5), 10.6, PeerState.SUSPECT),
        (Signs(0.0, heard_s=10.0, lost_s=10.5), 13.4, PeerState.SUSPECT),
        (Signs(0.0, heard_s=10.0, lost_s=10.5), 13.5, PeerState.DEAD),
        (Signs(0.0, heard_s=10.0, has_left=True), 10.1, PeerState.LEFT),
        (Signs(0.0, heard_s=10.0, has_left=True), 99.0, PeerState.LEFT),
    ],
)
def test_what_a_node_believes_of_a_peer(signs: Signs, now_s: float, expected: PeerState) -> None:
    assert judge(signs, now_s) is expected


def test_only_the_dead_and_those_who_left_lose_their_leases() -> None:
    assert {state for state in PeerState if not counts_as_alive(state)} == {PeerState.DEAD, PeerState.LEFT}


@pytest.mark.parametrize(("gap_s", "counted_s"), [(0.5, 0.5), (1.5, 1.5), (60.0, 1.5), (-5.0, 0.0)])
def test_a_node_does_not_count_its_own_absence_as_its_peers_silence(gap_s: float, counted_s: float) -> None:
    clock = AttentiveClock()
    clock.advance(100.0)
    assert clock.advance(100.0 + gap_s) == counted_s


def test_the_submitter_dispatches_while_it_is_there() -> None:
    assert dispatcher_of(JOB, A, [C, B, A]) == A


def test_all_nodes_that_see_the_same_peers_name_the_same_successor() -> None:
    assert dispatcher_of(JOB, A, [B, C]) == dispatcher_of(JOB, A, [C, B])
    assert dispatcher_of(JOB, A, []) is None


def test_jobs_of_a_dead_submitter_are_spread_over_the_others() -> None:
    nodes = [NodeId(letter * 16) for letter in "bcdefgh"]
    counts = dict.fromkeys(nodes, 0)
    for number in range(700):
        chosen = dispatcher_of(JobId(f"job{number:09d}"), A, nodes)
        assert chosen is not None
        counts[chosen] += 1
    assert min(counts.values()) > 50


def test_when_one_of_them_dies_only_its_jobs_move() -> None:
    nodes = [B, C, NodeId("d" * 16)]
    jobs = [JobId(f"job{number:09d}") for number in range(100)]
    before = {job: dispatcher_of(job, A, nodes) for job in jobs}
    after = {job: dispatcher_of(job, A, nodes[:2]) for job in jobs}
    assert all(after[job] == before[job] for job in jobs if before[job] != nodes[2])


def test_a_worker_that_fails_three_times_is_left_off_while_another_can() -> None:
    assert left_off({A: 3, B: 2}, {A, B}) == {A}
    assert left_off({A: 2}, {A, B}) == set()
    assert left_off({A: 3}, {A}) == set()
    assert left_off({A: 3, B: 5}, {A, B}) == set()


def test_tasks_are_given_in_the_order_of_steps_and_frames() -> None:
    assert choose_task(EMPTY_JOB, (0b1100, 0b1), (0, 1), A, [B]) == (0, 2)
    assert choose_task(EMPTY_JOB, (0b0, 0b1), (1,), A, [B]) == (1, 0)
    assert choose_task(EMPTY_JOB, (0b1,), (), A, [B]) is None


def test_a_worker_is_kept_from_what_it_failed_while_another_has_not() -> None:
    lease = (
        (A, "loglog22", 1),
        (1, 0, A, "boot", 1),
        None,
        ((A, "loglog22", 2), "app-failed", 1, "", (), 1),
        None,
        None,
    )
    state = get_job(join_task(EMPTY_FARM, JOB, 0, 0, (lease,)), JOB)
    assert state is not None
    assert choose_task(state, (0b11,), (0,), A, [B]) == (0, 1)
    assert choose_task(state, (0b01,), (0,), A, [B]) is None
    assert choose_task(state, (0b01,), (0,), A, []) == (0, 0)
    assert choose_task(state, (0b01,), (0,), B, [A]) == (0, 0)


def test_a_small_farm_is_a_full_mesh() -> None:
    others = [NodeId(f"{number:016d}") for number in range(FULL_MESH)]
    assert neighbours(A, others) == (others, True)


@pytest.mark.parametrize("size", [66, 100, 300, 1000])
def test_a_large_farm_is_connected_by_few_links_that_both_ends_agree_on(size: int) -> None:
    members = [NodeId(f"{number:016d}") for number in range(size)]
    near = {node: set(neighbours(node, [n for n in members if n != node])[0]) for node in members}
    assert all(node in near[other] for node in members for other in near[node])
    assert max(map(len, near.values())) < 32
    assert sum(map(len, near.values())) / size < 14
    reached, edge = {members[0]}, [members[0]]
    hops = 0
    while edge:
        edge = sorted({other for node in edge for other in near[node]} - reached)
        reached.update(edge)
        hops += bool(edge)
    assert len(reached) == size
    assert hops <= 8
