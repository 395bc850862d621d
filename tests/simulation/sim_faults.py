"""Everything that goes wrong, each under its name; a run draws some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
from sim_netfaults import (
    bridge,
    busy,
    delay,
    drop,
    duplicate,
    halves,
    lost_grant,
    one_way,
    reorder,
    ring,
    slow_peer,
    some,
)
from sim_node import SimNode
from sim_world import World

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import LogId, NodeId
from peerfarm.node import inputs as i
from peerfarm.protocol.messages import decode_message
from peerfarm.state.actions import JobDeleted, decode_action, encode_action
from peerfarm.state.farm import all_jobs
from peerfarm.state.selectors import spec_of
from peerfarm.store import MemoryDisk

Fault = Callable[[World, float], None]
"""(the world, seconds that a lasting one lasts)."""


def reboot(shell: SimNode) -> None:
    """Start a machine's node again, unless the machine left."""
    if shell.is_in_farm:
        shell.boot()


def kill(world: World, last_s: float) -> None:
    """A node's process is killed, and comes back."""
    shell = busy(world)
    if shell is not None:
        world.fire("a node killed", shell.name)
        shell.crash()
        world.after(world.rng.choice((0.2, 2.0, last_s)), reboot, shell)


def kill_submitter(world: World, last_s: float) -> None:
    """The node that took a job is killed."""
    for note in world.jobs.values():
        shell = world.nodes[note.submitter]
        if shell.node is not None:
            world.fire("a submitter killed", shell.name)
            shell.crash(is_power=world.rng.random() < 0.5)
            world.after(last_s, reboot, shell)
            return


def power_before_commit(world: World, last_s: float) -> None:
    """Power goes while a commit is under way: nothing of it is kept."""
    shell = busy(world)
    if shell is not None:
        shell.cut_power = "before commit"
        world.after(last_s, reboot, shell)


def power_before_sending(world: World, last_s: float) -> None:
    """Power goes between a commit and what follows from it."""
    shell = busy(world)
    if shell is not None:
        shell.cut_power = "before sending"
        world.after(world.rng.choice((0.5, last_s)), reboot, shell)


def power(world: World, last_s: float) -> None:
    """A machine is switched off, and nobody is told."""
    shell = busy(world)
    if shell is not None:
        world.fire("a machine switched off", shell.name)
        shell.crash(is_power=True)
        world.after(last_s, reboot, shell)


def dead_for_good(world: World, last_s: float) -> None:
    """A machine never comes back; one that renders stays."""
    up = [shell for shell in world.up() if not shell.is_kept]
    if len(up) > 1 and len(world.up()) > 2:
        shell = world.rng.choice(up)
        world.fire("a machine lost for good", shell.name)
        shell.crash(is_power=world.rng.random() < 0.5)
        shell.is_in_farm = False
        world.lost_disks[shell.id] = None


def pause(world: World, last_s: float) -> None:
    """A node stands still for a minute, as a stopped process does."""
    for shell in some(world):
        world.fire("a node paused", shell.name)
        shell.pause(world.rng.choice((4.0, 12.0, 60.0)), is_suspended=False)


def clock_suspend(world: World, last_s: float) -> None:
    """A machine sleeps: its monotonic clock and its renderers stand still with it."""
    for shell in some(world):
        world.fire("clock stands still", shell.name)
        shell.pause(world.rng.choice((6.0, 20.0, 60.0)), is_suspended=True)


def clock_jump(world: World, last_s: float) -> None:
    """The wall clock is set, by years."""
    for shell in some(world, 3):
        world.fire("clock jumps", shell.name)
        shell.jump_wall_clock(int(world.rng.uniform(-1e12, 1e12)))


def old_image(world: World, last_s: float) -> None:
    """A machine is put back as it was a while ago."""
    for shell in some(world):
        world.after(last_s / 2, _put_back, world, shell, shell.disk.image(), last_s)


def _put_back(world: World, shell: SimNode, image: Any, last_s: float) -> None:
    if shell.is_in_farm:
        world.fire("an old disk image put back", shell.name)
        shell.crash(is_power=True)
        shell.disk.restore(image)
        shell.disk._seen.is_clean = False  # the real mark of a clean close does not fit a file that was put back
        world.watch.rolled_back(shell)
        world.after(world.rng.choice((0.5, last_s)), reboot, shell)
        world.after(last_s + 1.0, join_anew, world, shell)


def disk_lost(world: World, last_s: float) -> None:
    """A machine comes back with an empty disk and joins anew, with the key that it had."""
    if len(world.lost_disks) >= 2:
        return
    world.note_holders()
    for shell in some(world):
        others = [other for other in world.up() if other is not shell]
        if others:
            world.fire("a disk lost", shell.name)
            shell.crash(is_power=True)
            shell.disk = MemoryDisk()
            world.files.lose(shell)
            world.watch.rolled_back(shell)
            world.after(1.0, reboot, shell)
            world.after(1.5, join_anew, world, shell)


def join_anew(world: World, shell: SimNode) -> None:
    others = [
        other
        for other in world.up()
        if other is not shell and other.node is not None and other.node.core.farm.created is not None
    ]
    if shell.is_in_farm and others and shell.node is not None and shell.node.core.farm.created is None:
        world.join(shell, world.rng.choice(others), is_repeated=False)
    if shell.is_in_farm and (shell.node is None or shell.node.core.farm.created is None):
        world.after(4.0, join_anew, world, shell)


def disk_full(world: World, last_s: float) -> None:
    """There is no room on a disk for a while."""
    for shell in some(world):
        world.fire("a disk full", shell.name)
        shell.disk.full = True
        world.after(last_s, _make_room, world, shell)


def _make_room(world: World, shell: SimNode) -> None:
    shell.disk.full = False
    world.impair(shell.id)


def lag(world: World, last_s: float) -> None:
    """A render takes all the processors: the loop turns late."""
    for shell in some(world, 2):
        world.fire("a loop lags", shell.name)
        shell.lag_s = world.rng.uniform(0.3, 2.5)
        world.after(last_s, _end_lag, world, shell)


def _end_lag(world: World, shell: SimNode) -> None:
    shell.lag_s = 0.0


def servers_dead(world: World, last_s: float) -> None:
    """Every central server ends at once."""
    servers = [shell for shell in world.up() if not shell.settings.is_rendering]
    if servers and len(servers) < len(world.up()):
        world.fire("all central servers dead", str(len(servers)))
        for shell in servers:
            shell.crash()
            if world.rng.random() < 0.5 and not shell.is_kept:
                shell.is_in_farm = False
                world.lost_disks[shell.id] = None
            else:
                world.after(last_s, reboot, shell)


def restart(world: World, last_s: float) -> None:
    """A node is stopped in order and started again."""
    for shell in some(world):
        world.fire("a node restarted in order", shell.name)
        world.impair(shell.id)
        shell.stop()
        world.after(world.rng.uniform(1.0, last_s), reboot, shell)


def storage_refuses(world: World, last_s: float) -> None:
    """The output folder cannot be written for a while."""
    world.fire("the output folder refuses")
    world.storage.is_refusing = True
    world.after(last_s, setattr, world.storage, "is_refusing", False)


def remove_racing_lease(world: World, last_s: float) -> None:
    """A member is removed while it renders."""
    up = [shell for shell in world.up() if not shell.is_kept]
    busy = [shell for shell in up if shell.renderer.running]
    if busy and len(world.up()) > 2:
        shell = world.rng.choice(busy)
        other = next(other for other in world.up() if other is not shell)

        def removed(answer: Any) -> None:
            if isinstance(answer, dict):
                world.fire("removal racing a lease", shell.name)

        world.call(other, removed, "remove", node=shell.id)


def cancel_racing_done(world: World, last_s: float) -> None:
    """Tasks are cancelled at the very moment in which they become done."""
    jobs = [
        job for job in world.jobs if any(job == r.task.job for s in world.up() for r in s.renderer.running.values())
    ]
    for shell in some(world):
        if jobs:
            world.fire("cancel racing done")
            world.call(shell, None, "cancel", job=world.rng.choice(jobs))


def lease_asked_twice(world: World, last_s: float) -> None:
    """Work is taken away: a lease is given up by whoever holds it, by stopping and starting that node at once."""
    for shell in world.up():
        if shell.renderer.running:
            world.fire("a worker restarted at once", shell.name)
            shell.crash()
            shell.boot()
            return


def hostile_member(world: World, last_s: float) -> None:
    """A member, or a stranger, sends malformed bytes."""
    for shell in some(world):
        assert shell.node is not None
        peers = sorted(shell.node.presence.peers)
        if not peers:
            continue
        source = world.rng.choice([*peers, NodeId(world.mint(16))])
        data = _malformed(world)
        if data is None:
            continue
        world.fire("malformed bytes", f"{len(data)} to {shell.name}")
        core = shell.node.core
        before = (core.farm, dict(core.book.vector))
        shell.node.handle(i.Received(source, data), shell.mono_s())
        is_same = core.farm is before[0] and core.book.vector == before[1]
        world.check("P12", is_same, f"{shell.name} changed its state by malformed bytes")
        world.impair(shell.id, source)
        shell.take(i.Load(5))


def stranger(world: World, last_s: float) -> None:
    """Somebody who is no member says what a member said before, word by word, and what one might say next."""
    for shell in some(world):
        assert shell.node is not None
        core = shell.node.core
        raws = list(world.watch.raws.values())
        said = world.rng.sample(raws, min(3, len(raws)))
        for key, position in core.book.vector.items():
            for job in world.jobs:
                said.append(encode_action(core.farm_id or "", (*key, position.seq + 1), 99, 0, JobDeleted(job)))
        data = msgpack.packb((5, tuple(said)))
        before = (core.farm, dict(core.book.vector))
        shell.node.handle(i.Received(NodeId(world.mint(16)), data), shell.mono_s())
        world.fire("a stranger's replay")
        world.check("P12", core.farm is before[0] and core.book.vector == before[1], "a stranger changed the state")


def _malformed(world: World) -> bytes | None:
    rng = world.rng
    raws = list(world.watch.raws.values())
    good = msgpack.packb((5, tuple(rng.sample(raws, min(3, len(raws))))))
    kind = rng.randrange(5)
    if kind == 0:
        data = rng.randbytes(rng.randint(1, 200))
    elif kind == 1:
        data = good[: rng.randint(1, len(good) - 1)]
    elif kind == 2:
        data = good + b"\x00"
    elif kind == 3:
        data = b"\x92\x05\xc6\x7f\xff\xff\xff" + bytes(1 << 20)
    else:
        data = msgpack.packb((5, (raws[0] + b"\xc1",)))
        return bytes(data)
    try:
        decode_message(data)
    except PeerProtocolError:
        return data
    return None


def later_version(world: World, last_s: float) -> None:
    """A member of a later version records what nobody here knows."""
    for shell in some(world):
        core = shell.node.core if shell.node is not None else None
        if core is None or core.farm_id is None or core.disk_error or core.own_log is None:
            continue
        world.fire("an unknown action", shell.name)
        seq = core.book.seq_of((core.node, core.own_log)) + 1
        core.lamport += 1
        action_id = (core.node, LogId(core.own_log), seq)
        raw = msgpack.packb((1, core.farm_id, *action_id, core.lamport, 0, "job/praised", (1, 2)))
        world.watch.raws[action_id] = raw
        action = decode_action(raw)
        core.take_in(core.book.offer(action))
        core.effects.must_sync = True
        shell.take(i.Load(5))


def ask_things(world: World, last_s: float) -> None:
    """People pause, resume, retry, reprioritise, look at and delete jobs, anywhere."""
    for shell in some(world, 2):
        assert shell.node is not None
        for job, state in list(all_jobs(shell.node.core.farm)):
            if spec_of(state) is None:
                continue
            method = world.rng.choice(("pause", "resume", "retry", "priority", "retry tasks", "job", "log"))
            world.fire(f"asked to {method}")
            if method == "priority":
                world.call(shell, None, "priority", job=job, priority=world.rng.randrange(100))
            elif method == "retry tasks":
                world.call(shell, None, "retry", job=job, tasks="0-1")
            else:
                world.call(shell, None, method, job=job)


def end_jobs(world: World, last_s: float) -> None:
    """People delete or archive jobs; those that are not over refuse."""
    for shell in some(world):
        for job in list(world.jobs):
            method = world.rng.choice(("delete", "archive"))

            def done(answer: Any, method: str = method) -> None:
                if isinstance(answer, dict):
                    world.fire(f"{method}d" if method == "archive" else "deleted")

            world.call(shell, done, method, job=job)


def stuck_renderer(world: World, last_s: float) -> None:
    """A runner stops telling anything; only the dispatcher's stall limit helps."""
    busy = [shell for shell in world.up() if shell.renderer.running]
    if busy and len([shell for shell in world.up() if shell.settings.is_rendering]) > 1:
        shell = world.rng.choice(busy)
        world.fire("a runner stuck", shell.name)
        shell.renderer.is_stuck = True
        world.after(90.0, _unstick, shell)


def _unstick(shell: SimNode) -> None:
    shell.crash()
    reboot(shell)


def newcomer(world: World, last_s: float) -> None:
    """A machine joins while the farm works."""
    inviters = [shell for shell in world.up() if shell.node is not None and shell.node.core.farm.created is not None]
    if inviters and len(world.nodes) < 8:
        world.fire("a newcomer")
        shell = world.add(f"n{len(world.nodes)}", slots=world.rng.randint(1, 2))
        world.join(shell, world.rng.choice(inviters))


FAULTS: tuple[Fault, ...] = (
    delay, drop, duplicate, reorder, slow_peer, halves, ring, bridge, one_way, lost_grant, kill, kill_submitter,
    power_before_commit, power_before_sending, power, dead_for_good, pause, clock_suspend, clock_jump, old_image,
    disk_lost, disk_full, lag, servers_dead, restart, storage_refuses, remove_racing_lease, cancel_racing_done,
    lease_asked_twice, hostile_member, stranger, later_version, ask_things, end_jobs, newcomer,
)  # fmt: skip
RARE: tuple[Fault, ...] = (stuck_renderer,)
"""Drawn seldom, for they make a run long."""
