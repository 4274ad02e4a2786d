"""`python -m ksdiff_jax COMMAND`: the same as `ksdiff-jax COMMAND`."""

import sys

from ksdiff_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
