"""What a person reads after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim_clock import say

if TYPE_CHECKING:
    from sim_mutations import Caught
    from sim_runs import Outcome

PROPERTIES = {
    "P1": "convergence",
    "P2": "order",
    "P3": "prefix",
    "P4": "no lost job",
    "P5": "no lost task",
    "P6": "done is durable",
    "P7": "few duplicates",
    "P8": "monotone",
    "P9": "one result",
    "P10": "liveness",
    "P11": "cost",
    "P12": "security",
    "P13": "clocks",
    "P14": "files at hand",
}
MEANS = ("per action", "longest", "bytes per")
"""Figures of which the mean and the greatest are told; the others are sums."""


def print_failure(outcome: Outcome, option: str = "--seeds") -> None:
    """A seed that failed, the end of its trace, and how to see it again."""
    say(f"\nseed {outcome.seed} FAILED  {outcome.failure}")
    for line in outcome.tail:
        say(f"    {line[:200]}")
    say(f"again: python tests/simulation/run.py {option} 1 --first {outcome.seed} --trace\n")


def print_all(
    outcomes: list[Outcome],
    spent_s: float,
    *,
    is_whole: bool,
    properties: dict[str, str] | None = None,
    faults: tuple[str, ...] | None = None,
) -> int:
    """The tables; 1 when something failed, or when nothing was looked at.

    Args:
        is_whole: Whether there were so many runs that every property and every fault must have had its turn.
        properties: What is looked at; of farms if not given.
        faults: What must happen; to farms if not given.
    """
    properties = PROPERTIES if properties is None else properties
    faults = EXPECTED_FAULTS if faults is None else faults
    checked: dict[str, int] = {}
    fired: dict[str, int] = {}
    figures: dict[str, list[float]] = {}
    for outcome in outcomes:
        for table, source in ((checked, outcome.checked), (fired, outcome.fired)):
            for name, count in source.items():
                table[name] = table.get(name, 0) + count
        for name, figure in outcome.figures.items():
            figures.setdefault(name, []).append(figure)
    say("\nproperty                    checked")
    for name, text in properties.items():
        say(f"{name:4} {text:18} {checked.get(name, 0):>12}")
    say("\nfault                                  fired")
    for name in sorted(fired):
        say(f"{name:34} {fired[name]:>9}")
    say("\nfigure")
    for name in sorted(figures):
        values = figures[name]
        if any(word in name for word in MEANS):
            say(f"{name:34} mean {sum(values) / len(values):.2f}, greatest {max(values):.2f}")
        else:
            say(f"{name:34} {sum(values):.0f}")
    failed = [outcome for outcome in outcomes if outcome.failure]
    blind = []
    if is_whole:
        blind = [name for name in (*properties, *faults) if not checked.get(name) and not fired.get(name)]
        for name in blind:
            say(f"never looked at or never fired: {name}")
    _say_properties(failed)
    if failed:
        say("failed: " + " ".join(str(outcome.seed) for outcome in failed[:40]))
    if len(outcomes) == 1:
        say(f"trace {outcomes[0].trace_hash}")
    say(f"{spent_s:.1f} s, {spent_s / max(len(outcomes), 1):.3f} s a run")
    say(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or blind else 0


def _say_properties(failed: list[Outcome]) -> None:
    by_property: dict[str, int] = {}
    for outcome in failed:
        by_property[outcome.property] = by_property.get(outcome.property, 0) + 1
    for name, count in sorted(by_property.items()):
        say(f"{name} failed {count} times")


EXPECTED_FAULTS = (
    "messages delayed", "messages lost", "messages doubled", "messages out of order", "a slow peer",
    "partition into halves", "partition into a ring", "partition with a bridge", "partition one way",
    "a grant lost on its way",
    "a node killed", "a submitter killed", "power lost before commit", "power lost before sending",
    "a machine switched off", "a machine lost for good", "a node paused", "clock stands still", "clock jumps",
    "an old disk image put back", "a disk lost", "a disk full", "a loop lags", "all central servers dead",
    "a node restarted in order", "the output folder refuses", "removal racing a lease", "cancel racing done",
    "a worker restarted at once", "malformed bytes", "a stranger's replay", "an unknown action", "asked to pause",
    "asked to resume", "asked to retry", "asked to retry tasks", "asked to priority", "asked to log", "deleted",
    "archived", "a newcomer", "a runner stuck", "renderer hangs", "renderer crashes", "renderer lies",
    "frames spoilt", "worker is broken", "everybody joins at once", "every loop lags",
)  # fmt: skip


def print_mutations(caught: list[Caught]) -> int:
    """Which property noticed which broken rule; 1 when one went unnoticed."""
    say("\nbroken rule                         noticed by   after seeds   as hoped")
    for entry in caught:
        noticed = entry.property or "NOTHING"
        say(f"{entry.name:36} {noticed:10} {entry.seeds:>12}   {'yes' if entry.is_right else 'NO'}")
    failed = sum(not entry.is_right for entry in caught)
    say(f"{len(caught) - failed} passed, {failed} failed")
    return 1 if failed else 0
