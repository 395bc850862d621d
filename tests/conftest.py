"""How hypothesis runs, and how the processes that tests start find this checkout.

Hypothesis: `dev` looks for new examples each time, `ci` tries the same ones, `long` tries very many.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import peerfarm

# The machines that run this render at the same time: how long an example takes says nothing.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

CORE = Path(peerfarm.__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _importable() -> Iterator[None]:
    """Let the processes that tests start find this checkout, installed or not."""
    patch = pytest.MonkeyPatch()
    paths = [str(CORE), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    patch.setenv("PYTHONPATH", os.pathsep.join(paths))
    yield
    patch.undo()
