"""How hypothesis runs: `dev` looks for new examples each time, `ci` tries the same ones, `long` tries very many."""

import os

from hypothesis import settings

# The machines that run this render at the same time: how long an example takes says nothing.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))
