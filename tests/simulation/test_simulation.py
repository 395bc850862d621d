"""The simulation under pytest: some seeds, every scenario, every mutation, and the paper's experiments 6A and 6C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sim_finale
from sim_mutations import MUTATIONS, run_mutations
from sim_runs import run_seed
from sim_scenarios import Scenario, run_scenario, scenario_files
from sim_table import PROPERTIES
from sim_world import World

HERE = Path(__file__).resolve().parent
SEEDS = range(1, 151)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_property_holds_on_every_seed_and_each_was_looked_at() -> None:
    outcomes = [run_seed(seed) for seed in SEEDS]
    failures = [f"seed {outcome.seed}: {outcome.failure}" for outcome in outcomes if outcome.failure]
    assert failures == []
    assert [name for name in PROPERTIES if not sum(outcome.checked.get(name, 0) for outcome in outcomes)] == []


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", scenario_files(), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    outcome = run_scenario(path)
    assert not outcome.failure, "\n".join([outcome.failure, *outcome.tail])


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "_"))
def test_a_broken_rule_is_noticed_by_a_named_property(mutation) -> None:  # noqa: ANN001 - given by parametrize
    (caught,) = run_mutations((mutation.name,))
    assert caught.property in mutation.expected


def test_a_seed_gives_the_same_trace_in_any_process() -> None:
    hashes = set()
    for hash_seed in ("1", "2"):
        environ = dict(os.environ) | {"PYTHONHASHSEED": hash_seed}
        argv = [sys.executable, str(HERE / "run.py"), "--seeds", "1", "--first", "12", "--trace"]
        ended = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
        hashes.add(ended.stdout.rpartition("trace ")[2].split()[0])
    assert len(hashes) == 1
    assert run_seed(12).trace_hash in hashes


def test_paper_6a_six_nodes_render_60_frames_and_agree_on_the_state_at_every_change() -> None:
    world = World("6A")
    world.watch.exports = {}
    scenario = Scenario(world)
    scenario.play(["farm a b c d e f", "submit a ocean 1-60 1 2", "over ocean done 60", "starts ocean 60", "settled"])
    assert world.figures["states exported"] > 6 * 120
    states = {shell.node.core.hash.of(shell.node.core.farm) for shell in world.up() if shell.node is not None}
    assert len(states) == 1
    assert sum(1 for directory, _ in world.storage.published if directory == "/out/ocean") == 60


@pytest.mark.parametrize(
    ("victim", "words"),
    [
        ("the server", "kill s"),
        ("a worker", "kill b"),
        ("the submitter", "power-off a"),
        ("half the farm in a partition", "cut a,b,s c,d"),
    ],
    ids=lambda text: text.replace(" ", "_"),
)
def test_paper_6c_the_farm_renders_on_without(victim: str, words: str) -> None:
    world = World(f"6C {victim}")
    world.watch.exports = {}
    scenario = Scenario(world)
    scenario.play(["farm a b c d s:server", "submit a ocean 1-30 1 3", "wait 4", words])
    scenario.play(["over ocean done 90", "heal", "boot a b c d s", "over ocean done 60", "settled"])
    sim_finale.check_all(world)
    assert sum(1 for directory, _ in world.storage.published if directory == "/out/ocean") == 30
