"""Reads and plays `scenarios/*.txt`: each file's name is a promise, each line a thing that happens or must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import sim_faults
import sim_finale
from sim_clock import PropertyFailed
from sim_network import Trouble
from sim_node import SimNode
from sim_runs import Outcome, concluded, mend
from sim_world import Plan, World

from peerfarm.policy.liveness import counts_as_alive
from peerfarm.state.farm import get_job
from peerfarm.state.selectors import job_status, spec_of
from peerfarm.store import MemoryDisk

FOLDER = Path(__file__).resolve().parent / "scenarios"
LIMIT_S = 300.0


class Scenario:
    """The words that a scenario is written in; each method is one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._images: dict[str, object] = {}

    def play(self, lines: list[str]) -> None:
        """Do what the lines say, one after the other."""
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            self._world.tell(f"> {line.strip()}")
            try:
                self._word(words[0])(*words[1:])
            except PropertyFailed as failed:
                raise PropertyFailed(failed.property, f"line {number}, {line.strip()}: {failed}") from failed

    def _word(self, word: str) -> Callable[..., None]:
        return getattr(self, word.replace("-", "_"))  # type: ignore[no-any-return]

    def _node(self, name: str) -> SimNode:
        return self._world.names[name]

    def _after(self) -> None:
        self._world.run(self._world.now_s + 0.001)

    # What happens

    def farm(self, *names: str) -> None:
        """A farm of these machines: NAME, NAME:2 with two slots, NAME:server without rendering; a range as n0..n99."""
        self._world.plan.is_calm = False
        machines = [machine for name in names for machine in _machines(name)]
        for name, slots in machines:
            shell = self._world.add(name, slots=max(slots, 1), is_rendering=slots > 0)
            if len(self._world.nodes) == 1:
                self._world.found(shell)
        first = next(iter(self._world.nodes.values()))
        self._world.run(0.5)
        for shell in list(self._world.nodes.values())[1:]:
            self._world.join(shell, first)
        count = len(self._world.nodes)
        self._world.run(5.0)
        while any(len(self._believers(node)) < count - 1 for node in self._world.nodes):
            self._world.run(self._world.now_s + 1.0)
            self._world.check("P1", self._world.now_s < 90.0, "the farm does not come together")

    def newcomer(self, name: str, inviter: str) -> None:
        """A machine joins."""
        self._world.join(self._world.add(name), self._node(inviter))

    def submit_files(self, node: str, label: str, frames: str, chunk: str, seconds: str) -> None:
        """The same, of a scene on her own disk: its files travel, and so do the frames."""
        if not self._world.plan.has_files:
            self._world.plan.has_files = True
            self._world.copies.begin()
        self.submit(node, label, frames, chunk, seconds, files="peers")

    def submit(self, node: str, label: str, frames: str, chunk: str, seconds: str, files: str = "shared") -> None:
        """A user submits a job; its frames take so long."""
        job = {
            "name": label,
            "app": "ocean",
            "frames": frames,
            "chunk": int(chunk),
            "output": f"/out/{label}/f_####.png",
            "stall_limit": 5,
            "files": files,
        }
        self._world.submit(self._node(node), job, float(seconds), label)
        self._world.run(self._world.now_s + (0.02 if files == "shared" else 1.2))
        if label not in self._world.labels:
            raise PropertyFailed("P5", f"{label} was not accepted")

    def wait(self, seconds: str) -> None:
        """Time passes."""
        self._world.run(self._world.now_s + float(seconds))

    def kill(self, *nodes: str) -> None:
        """A node's process is killed."""
        for node in nodes:
            self._node(node).crash()

    def power_off(self, *nodes: str) -> None:
        """A machine loses its power."""
        for node in nodes:
            self._node(node).crash(is_power=True)

    def power_off_before_commit(self, node: str) -> None:
        """A machine loses its power while it next writes to its disk."""
        self._node(node).cut_power = "before commit"

    def power_off_before_sending(self, node: str) -> None:
        """A machine loses its power after it next wrote to its disk, before it tells anybody."""
        self._node(node).cut_power = "before sending"

    def boot(self, *nodes: str) -> None:
        """A node starts again."""
        for node in nodes:
            self._node(node).boot()

    def lose_for_good(self, *nodes: str) -> None:
        """Machines and their disks are gone for ever."""
        for node in nodes:
            shell = self._node(node)
            shell.crash(is_power=True)
            shell.is_in_farm = False
            self._world.lost_disks[shell.id] = None

    def stop(self, *nodes: str) -> None:
        """A node is stopped in order."""
        for node in nodes:
            self._node(node).stop()
        self.wait("1")

    def pause(self, node: str, seconds: str) -> None:
        """A node stands still."""
        self._node(node).pause(float(seconds), is_suspended=False)

    def sleep(self, node: str, seconds: str) -> None:
        """A machine sleeps, its clock and renderers with it."""
        self._node(node).pause(float(seconds), is_suspended=True)

    def cut(self, left: str, right: str) -> None:
        """Two groups, as `a,b c,d`, no longer hear each other."""
        for one in left.split(","):
            for other in right.split(","):
                self._world.network.block(self._node(one).id, self._node(other).id)
                self._world.network.block(self._node(other).id, self._node(one).id)

    def cut_one_way(self, source: str, target: str) -> None:
        """One no longer hears the other."""
        self._world.network.block(self._node(source).id, self._node(target).id)

    def heal(self) -> None:
        """Everybody hears everybody."""
        self._world.network.heal()

    def drop(self, source: str, target: str, share: str) -> None:
        """Messages get lost in one direction."""
        self._world.network.trouble[self._node(source).id, self._node(target).id] = Trouble(drop=float(share))

    def lose_grant(self, node: str) -> None:
        """The next lease for that node gets lost."""
        self._world.network.lose_grant_to = self._node(node).id

    def image(self, node: str) -> None:
        """Keep a copy of a node's disk as it is now."""
        self._images[node] = self._node(node).disk.image()

    def put_back(self, node: str) -> None:
        """Put the copy back in place of the disk."""
        shell = self._node(node)
        shell.crash(is_power=True)
        shell.disk.restore(self._images[node])  # type: ignore[arg-type]
        shell.disk._seen.is_clean = False
        self._world.watch.rolled_back(shell)

    def disk_full(self, node: str) -> None:
        """No room on a disk."""
        self._node(node).disk.full = True

    def disk_free(self, node: str) -> None:
        """Room again."""
        self._node(node).disk.full = False

    def lag(self, node: str, seconds: str) -> None:
        """A node's loop turns late by up to so much."""
        self._node(node).lag_s = float(seconds)

    def snapshots_after(self, actions: str) -> None:
        """Logs are cut when they have grown by so many actions; before any node starts."""
        self._world.plan.snapshot_actions = int(actions)

    def ask(self, node: str, method: str, label: str, *extra: str) -> None:
        """A local user asks for something about a job, `cancel`, `pause`, `retry tasks=0-1` and so on."""
        params: dict[str, object] = {}
        for entry in extra:
            name, _, value = entry.partition("=")
            params[name] = int(value) if value.isdigit() and name != "tasks" else value
        self._world.call(self._node(node), None, method, job=self._world.labels[label], **params)
        self._after()

    def remove(self, node: str, gone: str) -> None:
        """A member is removed for ever."""
        self._world.call(self._node(node), None, "remove", node=self._node(gone).id)
        self._after()

    def renderers(self, what: str, share: str) -> None:
        """From now on a share of all renders does this: crash, hang, lie, spoil."""
        setattr(self._world.plan, what, float(share))

    def stuck(self, node: str) -> None:
        """A node's runner stops telling anything."""
        self._node(node).renderer.is_stuck = True

    def fault(self, name: str, seconds: str = "5") -> None:
        """One of the faults that random runs draw."""
        getattr(sim_faults, name.replace("-", "_"))(self._world, float(seconds))

    def mend(self) -> None:
        """Faults are over."""
        mend(self._world)

    def lose_disk(self, *nodes: str) -> None:
        """Machines come back with empty disks, and join anew."""
        for node in nodes:
            shell = self._node(node)
            shell.crash(is_power=True)
            shell.disk = MemoryDisk()
            self._world.files.lose(shell)
            self._world.watch.rolled_back(shell)
            shell.boot()
            sim_faults.join_anew(self._world, shell)

    def evict(self) -> None:
        """Every store lets go of what no pin keeps."""
        for shell in self._world.nodes.values():
            self._world.files.evict(shell)

    def store_full(self, *nodes: str) -> None:
        """There is no room for another blob."""
        for node in nodes:
            self._node(node).blobs.is_full = True

    def store_free(self, *nodes: str) -> None:
        """Room again."""
        for node in nodes:
            self._node(node).blobs.is_full = False

    def fetch(self, node: str, label: str, directory: str) -> None:
        """A local user fetches a job's frames into a folder of that machine."""
        job = self._world.labels[label]
        self._world.call(self._node(node), None, "fetch", job=job, directory=directory)
        self._after()

    # What must hold

    def files_in(self, directory: str, count: str, within_s: str = "20") -> None:
        """So many frames come to lie in a folder."""
        until_s = self._world.now_s + float(within_s)
        while self._world.now_s < until_s and self._files_in(directory) != int(count):
            self._world.run(self._world.now_s + 0.25)
        seen = self._files_in(directory)
        self._world.check("P6", seen == int(count), f"{seen} frames lie in {directory}, not {count}")

    def _files_in(self, directory: str) -> int:
        return sum(1 for place, _ in self._world.storage.published if place == directory)

    def over(self, label: str, status: str, within_s: str) -> None:
        """A job must come to this end in time, on every node that is up."""
        world = self._world
        until_s = world.now_s + float(within_s)
        while world.now_s < until_s and any(seen != status for seen in self._statuses(label)):
            world.run(world.now_s + 0.25)
        seen = self._statuses(label)
        world.check("P5", all(one == status for one in seen), f"{label} is {seen} and not {status} in {within_s} s")
        world.tell(f"{label} is {status} on all")

    def _statuses(self, label: str) -> list[str]:
        seen = []
        for shell in self._world.up():
            state = get_job(shell.node.core.farm, self._world.labels[label]) if shell.node is not None else None
            spec = spec_of(state) if state is not None else None
            seen.append(str(job_status(state, spec)) if state is not None and spec is not None else "unknown")
        return seen

    def starts(self, label: str, least: str, most: str = "") -> None:
        """So many renders of a job were started; one number for exactly that many."""
        job = self._world.labels[label]
        count = sum(note.started for place, note in self._world.watch.charges.granted_at.items() if place[0] == job)
        low, high = int(least), int(most or least)
        self._world.check("P7", low <= count <= high, f"{label}: {count} starts, not {low} to {high}")

    def running(self, node: str, count: str) -> None:
        """So many renders run on a node."""
        seen = len(self._node(node).renderer.running)
        self._world.check("P5", seen == int(count), f"{seen} renders run on {node}, not {count}")

    def dead(self, gone: str, within_s: str) -> None:
        """Every other node must find this one dead in time."""
        world, node = self._world, self._node(gone).id
        until_s = world.now_s + float(within_s)
        while world.now_s < until_s and self._believers(node):
            world.run(world.now_s + 0.25)
        world.check("P10", not self._believers(node), f"{self._believers(node)} still hold {gone} for alive")

    def _believers(self, node: str) -> list[str]:
        names = []
        for shell in self._world.up():
            peer = shell.node.presence.peers.get(node) if shell.node is not None else None  # type: ignore[call-overload]
            if peer is not None and counts_as_alive(peer.state):
                names.append(shell.name)
        return names

    def alive(self, *nodes: str) -> None:
        """Nobody holds these for dead."""
        for node in nodes:
            count = len(self._world.up()) - 1
            seen = len(self._believers(self._node(node).id))
            self._world.check("P10", seen == count, f"{seen} of {count} hold {node} for alive")

    def known(self, label: str) -> None:
        """Every node that is up knows the job."""
        self._world.check("P4", "unknown" not in self._statuses(label), f"{label} is lost: {self._statuses(label)}")

    def settled(self) -> None:
        """Everything comes to rest, and every property of a farm at rest holds."""
        self._world.settle(LIMIT_S)
        sim_finale.check_all(self._world)

    def alarms(self, count: str = "0") -> None:
        """So many alarms were raised in all."""
        seen = [text for shell in self._world.up() if shell.node is not None for text in shell.node.core.alarms]
        self._world.check("P3", len(seen) == int(count), f"alarms: {seen}")


def _machines(text: str) -> list[tuple[str, int]]:
    name, _, kind = text.partition(":")
    slots = 0 if kind == "server" else int(kind or 1)
    if ".." in name:
        first, last = name.split("..")
        prefix = first.rstrip("0123456789")
        numbers = range(int(first[len(prefix) :]), int(last[len(prefix) :]) + 1)
        return [(f"{prefix}{number}", slots) for number in numbers]
    return [(name, slots)]


def scenario_files() -> list[Path]:
    """All of them, by name."""
    return sorted(FOLDER.glob("*.txt"))


def run_scenario(path: Path, *, is_traced: bool = False) -> Outcome:
    """Play one file; the file's name is the seed."""
    world = World(path.stem, Plan(is_calm=True), is_traced=is_traced)
    lines = path.read_text(encoding="utf-8").splitlines()
    return concluded(world, path.stem, lambda: Scenario(world).play(lines))


def run_scenarios(*, is_traced: bool = False) -> Iterator[Outcome]:
    """Play them all."""
    for path in scenario_files():
        yield run_scenario(path, is_traced=is_traced)
