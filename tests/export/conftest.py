"""Node.js for the tests of exported files."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SCRIPTS = Path(__file__).parent / "web"
INSTALLED = REPOSITORY / ".web"


@pytest.fixture(scope="session")
def node():
    """A function that runs one of our scripts and returns the JSON that it prints."""
    if not (INSTALLED / "installed").exists():
        pytest.skip("needs Node.js, three.js and Chromium: `make web`")
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, INSTALLED)
    own = {"TMPDIR": str(INSTALLED / "unpacked")}
    if (named := INSTALLED / "chromium").exists():
        own["CHROMIUM"] = named.read_text().strip()

    def run(script: str, *arguments: object):
        command = ["node", str(INSTALLED / script), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=os.environ | own, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
