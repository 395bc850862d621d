"""`python -m peerfarm` is the `peerfarm` command."""

import sys

from peerfarm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
