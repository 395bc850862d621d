"""One random run of nodes that move blobs: who holds what, who wants what, what goes wrong, and how it must end."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

from sim_clock import PropertyFailed
from swarm_faults import FAULTS, Fault
from swarm_figures import check_source_that_leaves, check_spread
from swarm_watch import Watch, check_rest
from swarm_world import Content, Ended, Machine, SwarmWorld

from peerfarm.model.ids import NodeId
from peerfarm.swarm import Limits, asking, peers, serving

FAULTS_END_S = 40.0
WHOLE_S = 75.0
"""After the last fault every want that can be fulfilled is, within this time; longer only for banned holders."""
SMALL = (
    (asking, "MAX_OUTSTANDING_BYTES", 1 << 20),
    (peers, "MAX_WINDOW_BYTES", 512 << 10),
    (peers, "FIRST_WINDOW_BYTES", 512 << 10),
    (serving, "MAX_PIECE_BYTES", 48 << 10),
)
"""What bounds the engine, for the blobs are small here: blocks travel in several parts, and windows do fill."""
WANT_AGAIN_S = 3.0
QUIET_S = 3.0


@dataclass(slots=True)
class SwarmOutcome:
    """What a run showed; travels between processes."""

    seed: int
    failure: str = ""
    property: str = ""
    tail: list[str] = field(default_factory=list)
    trace_hash: str = ""
    checked: dict[str, int] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Intent:
    """What a machine wants until it has it."""

    machine: Machine
    key: str
    contents: list[Content]
    holders: list[NodeId]


class Run:
    """Everything that follows from a seed."""

    def __init__(self, seed: int, faults: tuple[Fault, ...] | None, is_traced: bool) -> None:
        self.world = SwarmWorld(seed, is_traced)
        self.watch = Watch(self.world)
        self.rng = self.world.clock.rng
        self.faults = self._choose() if faults is None else faults
        self.intents: list[Intent] = []
        self._seen: dict[NodeId, int] = {}

    def live(self) -> None:
        """From the first want to rest."""
        world, rng = self.world, self.rng
        self._settle_in()
        if self.faults:
            at_s = rng.uniform(0.2, 3.0)
            while at_s < FAULTS_END_S:
                world.clock.at(at_s, rng.choice(self.faults), world, self.watch.rotten)
                at_s += rng.expovariate(0.6)
        world.clock.at(0.5, self._again)
        world.clock.run(FAULTS_END_S if self.faults else 5.0)
        self._heal()
        self._conclude()

    def _choose(self) -> tuple[Fault, ...]:
        return tuple(self.rng.sample(FAULTS, self.rng.choice((0, 1, 2, 3, 5))))

    def _settle_in(self) -> None:
        world, rng = self.world, self.rng
        limit = rng.choice((0, 300_000, 1_000_000, 1_000_000))
        machines = [world.add(f"{name}" * 16, limit) for name in "abcdefg"[: rng.randint(2, 6)]]
        sizes = (0, 1, 700, 5_000, 60_000, 131_072, 131_073, 300_000, 1_000_000)
        contents = [world.content(f"blob {n}", rng.choice(sizes)) for n in range(rng.randint(1, 30))]
        for content in contents:
            for machine in rng.sample(machines, rng.choice((1, 1, 1, min(2, len(machines))))):
                machine.disk.put(content)
        for number in range(rng.randint(1, 2 * len(machines))):
            machine = rng.choice(machines)
            chosen = rng.sample(contents, rng.randint(1, len(contents)))
            holders = [m.name for m in machines if m is not machine and all(m.disk.holds(c.ref.id) for c in chosen)]
            intent = Intent(machine, f"want {number}", chosen, holders)
            self.intents.append(intent)
            self.world.clock.at(rng.uniform(0, 10) if number else 0.0, self._want, intent)

    def _want(self, intent: Intent) -> None:
        self.world.want(
            intent.machine,
            intent.key,
            intent.contents,
            intent.holders,
            are_lists_known=self.rng.random() < 0.5,
        )

    def _again(self) -> None:
        """What failed is wanted again, as a node would when somebody comes."""
        for intent in self.intents:
            if self._state(intent) == "failed":
                self.world.clock.fire("wanted again")
                self._want(intent)
        self.world.clock.after(WANT_AGAIN_S, self._again)

    def _state(self, intent: Intent) -> str:
        last = self._last(intent)
        if intent.key in intent.machine.wanted or last is None:
            return "open"
        return "failed" if last.failed else "done"

    @staticmethod
    def _last(intent: Intent) -> Ended | None:
        ended = [one for one in intent.machine.ended if one.key == intent.key]
        return ended[-1] if ended else None

    def _heal(self) -> None:
        for machine in self.world.machines.values():
            machine.bends = machine.rots = None
            machine.disk.is_full = False
            self.world.slow(machine, 0.0)
            machine.limit_bytes_s = max(machine.limit_bytes_s, 1_000_000)
            if machine.swarm is None:
                self.world.boot(machine)
            self.world.tell(machine, Limits(machine.limit_bytes_s))
        for one in self.world.up():
            for other in self.world.up():
                self.world.link(one, other)
        self.world.clock.tell("all faults are over")

    def _conclude(self) -> None:
        world = self.world
        healed_s = world.clock.now_s
        patient_s = healed_s + WHOLE_S + (peers.BAN_S + WHOLE_S if self.watch.rotten else 0.0)
        while world.clock.now_s < patient_s and not all(map(self._is_over, self.intents)):
            world.clock.run(world.clock.now_s + 1.0)
        for intent in self.intents:
            self._judge(intent)
        world.clock.figures["seconds to the end"] = world.clock.now_s - healed_s
        for intent in self.intents:
            world.cancel(intent.machine, intent.key)
        self.intents.clear()
        world.clock.run(world.quiet_s() + QUIET_S)
        check_rest(world, self.watch.rotten)
        if not self.faults:
            self._check_thrift()

    def _is_lost(self, intent: Intent) -> bool:
        """Whether some block that it needs is nowhere."""
        for content in intent.contents:
            bits = 0
            for machine in self.world.machines.values():
                bits |= machine.disk.bits.get(content.ref.id, 0)
            if bits != content.full and content.size_bytes:
                return True
        return False

    def _is_over(self, intent: Intent) -> bool:
        if not self._is_lost(intent):
            return self._state(intent) == "done"
        last = self._last(intent)
        return bool(last and last.failed and last.at_s > FAULTS_END_S + WHOLE_S / 2)

    def _judge(self, intent: Intent) -> None:
        check, name = self.world.clock.check, f"{intent.machine.name[0]} {intent.key}"
        if not self._is_lost(intent):
            check(
                "S1", self._state(intent) == "done", lambda: f"{name} is {self._state(intent)}, and all of it is there"
            )
            return
        last = self._last(intent)
        others = tuple(sorted(m.name for m in self.world.machines.values() if m is not intent.machine))
        if last is None or last.failed is None:
            check("S2", last is not None, lambda: f"{name} never ended, although blocks are lost")
            return
        if not self.watch.rotten:
            check("S2", last.failed.lacking == others, lambda: f"{name} names {last.failed}, not {others}")

    def _check_thrift(self) -> None:
        """Without faults a source sends each block little more than once, and those that fetch send halves on."""
        clock = self.world.clock
        sent = self.watch.total_sent_bytes
        got = sum(m.got_bytes for m in self.world.machines.values())
        clock.check("S5", sent <= got * 1.02 + 300_000, lambda: f"{sent} bytes were sent for {got} that were needed")


def run_swarm_seed(seed: int, faults: tuple[Fault, ...] | None = None, *, is_traced: bool = False) -> SwarmOutcome:
    """One run; seed 0 is the one without chance: a large blob from one source to many."""
    outcome = SwarmOutcome(seed)
    run = Run(seed, faults, is_traced)
    clock = run.world.clock
    kept = [getattr(module, name) for module, name, _ in SMALL]
    for module, name, value in SMALL:
        setattr(module, name, value)
    try:
        if seed:
            run.live()
        else:
            check_spread(run.world)
            check_source_that_leaves(run.world)
    except PropertyFailed as failed:
        outcome.failure, outcome.property = str(failed), failed.property
    except Exception:  # noqa: BLE001 - whatever the engine raises is a finding
        outcome.failure, outcome.property = "S11: " + traceback.format_exc(limit=-6), "S11"
    finally:
        for (module, name, _), value in zip(SMALL, kept, strict=True):
            setattr(module, name, value)
    clock.checked["S11"] = clock.checked.get("S11", 0) + 1
    outcome.tail, outcome.trace_hash = clock.tail, clock.trace_hash
    outcome.checked, outcome.fired, outcome.figures = clock.checked, clock.fired, clock.figures
    return outcome
