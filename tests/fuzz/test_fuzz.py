"""The seeded fuzz as a test: 300 cases among the slow tests, 3,000 in `make test-long`."""

import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.fuzz.__main__ import KINDS


@pytest.mark.parametrize(
    ("count", "seed"),
    [pytest.param(300, 0, marks=pytest.mark.slow), pytest.param(3000, 1, marks=pytest.mark.long)],
)
def test_whatever_comes_in_is_read_rightly_or_refused_in_a_line(count, seed):
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "--count",
        str(count),
        "--seed",
        str(seed),
        "--json",
    ]
    found = json.loads(
        subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    )
    assert not found["wrong"], "\n".join(
        f"{item['case']}: {item['wrong']}" for item in found["wrong"]
    )
    assert sum(row["cases"] for row in found["table"].values()) == count and set(
        found["table"]
    ) == set(KINDS)
    assert 3 * sum(row["known"] for row in found["table"].values()) >= count
