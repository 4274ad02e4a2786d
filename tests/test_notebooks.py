"""The notebooks import and never define, begin alike, and are stored with outputs; `.ci/notebooks`
runs them.
"""

import ast
import functools
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ("01_quickstart", "02_train", "03_reproduce", "04_scale")
MAX_MB = 2.5
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
# Absolute paths of the machine that stored them, and its user.
PRIVATE = re.compile(r"(?<![\w.])/(work|root|home|tmp|Users)/")


@functools.cache
def notebook(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def code(name: str) -> list[dict]:
    return [cell for cell in notebook(name)["cells"] if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def outputs(name: str) -> list[dict]:
    return [output for cell in code(name) for output in cell["outputs"]]


def shown(output: dict) -> str:
    """The text that a reader sees, pictures apart."""
    data = output.get("data", {})
    return "".join(
        [*output.get("text", ""), *data.get("text/plain", ""), *data.get("text/markdown", "")]
    )


def test_there_are_no_others():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_imports_and_never_defines(name):
    nodes = [node for cell in code(name) for node in ast.walk(ast.parse(source(cell)))]
    assert not [ast.unparse(node) for node in nodes if isinstance(node, DEFINITIONS)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_stored_executed_from_top_to_bottom_with_pictures(name):
    assert [cell["execution_count"] for cell in code(name)] == list(range(1, len(code(name)) + 1))
    assert any("image/png" in output.get("data", {}) for output in outputs(name))
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1e6 * MAX_MB


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_failed_warned_or_shows_where_it_was_run(name):
    assert not [output for output in outputs(name) if output["output_type"] == "error"]
    assert not [shown(output) for output in outputs(name) if output.get("name") == "stderr"]
    assert not [text for output in outputs(name) if PRIVATE.search(text := shown(output))]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_is_untried(name):
    text = " ".join(
        source(cell) for cell in notebook(name)["cells"] if cell["cell_type"] == "markdown"
    )
    assert "untried" in text.lower() and "T4" in text and "v5e" in text


def first_cell() -> str:
    (text,) = {source(code(name)[0]) for name in NAMES}  # the same in all
    return text


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """The first cell run as on Colab: `colab(status)` gives the commands that it ran; pip leaves
    with `status`.
    """
    commands = []
    error = types.SimpleNamespace(UsageError=type("UsageError", (Exception,), {}))
    modules = {"google.colab": types.ModuleType("google.colab"), "IPython.core.error": error}
    modules |= {name: types.ModuleType(name) for name in ("IPython", "IPython.core")}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("ksdiff_jax.runtime.check_runtime", lambda: "a runtime")
    monkeypatch.chdir(tmp_path)

    def run(status: int = 0) -> list[list[str]]:
        done = types.SimpleNamespace(returncode=status)
        monkeypatch.setattr(subprocess, "run", lambda command: commands.append(command) or done)
        exec(compile(first_cell(), "first cell", "exec"), {})
        return commands

    return run


def test_elsewhere_the_first_cell_does_nothing(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command: pytest.fail("ran a command"))
    exec(compile(first_cell(), "first cell", "exec"), {})


WHEEL = "ksdiff_jax-0.1.0-py3-none-any.whl"


def test_on_colab_it_installs_the_wheel_that_was_uploaded(colab, tmp_path, capsys):
    (tmp_path / WHEEL).touch()
    assert colab() == [[sys.executable, "-m", "pip", "install", "--quiet", f"{WHEEL}[corpus]"]]
    assert capsys.readouterr().out == "a runtime\n"


@pytest.mark.parametrize("uploaded", [[], [WHEEL, "ksdiff_jax-0.1.0-py3-none-any (1).whl"]])
def test_without_one_wheel_it_stops_with_one_line_and_installs_nothing(colab, tmp_path, uploaded):
    for name in uploaded:
        (tmp_path / name).touch()
    with pytest.raises(Exception, match="upload one wheel to this folder") as raised:
        colab()
    assert raised.type.__name__ == "UsageError" and "\n" not in str(raised.value)


def test_a_failed_installation_is_one_line(colab, tmp_path):
    (tmp_path / WHEEL).touch()
    with pytest.raises(Exception, match=r"could not install ksdiff_jax-0\.1\.0") as raised:
        colab(1)
    assert raised.type.__name__ == "UsageError" and "\n" not in str(raised.value)
