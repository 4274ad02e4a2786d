"""`ksdiff-jax animate` with the fake system, as a process of its own that a test may kill.

python -m tests.cli.many_run ARGUMENTS...
"""

import sys
from unittest import mock

import ksdiff_jax.animate.animator
from ksdiff_jax.cli.main import main
from tests.animate.fake_system import FakeSystem

if __name__ == "__main__":
    with mock.patch.object(ksdiff_jax.animate.animator, "build_system", FakeSystem):
        sys.exit(main(sys.argv[1:]))
