"""pyproject.toml, packaging.py and the source text agree; `.ci/wheel` builds the wheel and
uses it.
"""

import ast
import functools
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest

import ksdiff_jax

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Names of modules that are not those of their distributions.
DISTRIBUTIONS = {
    "orbax": "orbax-checkpoint",
    "absl": "absl-py",
    "grpc": "grpcio",
    "PIL": "pillow",
}
# Used where somebody has installed them: Weights & Biases, the library that TPU machines come with,
# Blender, in which export/blender_script.py runs, and jax2onnx, which asks for an orbax-checkpoint
# below ours, so that it is installed without its dependencies.
WHERE_PRESENT = {"wandb", "libtpu", "bpy", "bpy_extras", "jax2onnx"}
# The environment of the face tracker has what this requirements file names, and OpenCV with it.
TRACKER = ROOT / "ksdiff_jax" / "data" / "tracking" / "mediapipe_worker.py"
TRACKER_MODULES = {"mediapipe", "cv2"}
BUILD = ROOT / "ksdiff_jax" / "packaging.py"  # imported by setuptools alone


def distribution(module: str) -> str:
    """The name that a package index knows the top-level module by."""
    return DISTRIBUTIONS.get(module, module.lower().replace("_", "-"))


def declared(requirements: list[str]) -> set[str]:
    """Names of the distributions, as an index writes them."""
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def imported_modules(source: str) -> set[str]:
    """Top-level names of all imports in a piece of source, those through `import_module` and
    `find_spec` too.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "find_spec")
        ):
            text = (
                node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            )
            names |= {text.value} if isinstance(text, ast.Constant) else set()
    return {name.split(".")[0] for name in names} - {"ksdiff_jax"} - set(sys.stdlib_module_names)


@functools.cache
def foreign_modules() -> set[str]:
    """All that the package imports and Python does not have, but for the tracker's worker."""
    return set().union(
        *(
            imported_modules(path.read_text())
            for path in ROOT.glob("ksdiff_jax/**/*.py")
            if path not in (TRACKER, BUILD)
        )
    )


def test_every_module_that_is_imported_is_declared():
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    wanted = {distribution(module) for module in foreign_modules() - WHERE_PRESENT}
    assert wanted - declared(PROJECT["dependencies"]) - declared(extras) == set()
    assert imported_modules(TRACKER.read_text()) <= TRACKER_MODULES | foreign_modules()


def test_every_dependency_is_imported():
    assert (
        declared(PROJECT["dependencies"]) - {distribution(module) for module in foreign_modules()}
        == set()
    )


def test_what_only_extras_bring_is_imported_where_it_is_used_and_not_at_the_top_of_a_module():
    # read in environments of their own
    torch_reference = [f"ksdiff_jax/bench/{name}.py" for name in ("train_torch", "torch_layers")]
    apart = {*(ROOT / name for name in torch_reference), TRACKER, BUILD}
    for path in set(ROOT.glob("ksdiff_jax/**/*.py")) - apart:
        top = [
            node
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        modules = imported_modules("\n".join(map(ast.unparse, top)))
        assert {distribution(module) for module in modules} <= declared(PROJECT["dependencies"]), (
            path
        )


def test_the_search_sees_imports_of_every_kind():
    source = (
        "import a.b, os\ndef f():\n    from c.d import e\n    "
        'importlib.import_module(f"g.{name}")\n    find_spec("h")'
    )
    assert imported_modules(source) == {"a", "c", "g", "h"}


def test_the_version_is_the_same_in_both_places():
    assert PROJECT["version"] == ksdiff_jax.__version__


def test_the_package_is_marked_as_typed():
    assert (ROOT / "ksdiff_jax" / "py.typed").is_file()


@pytest.fixture
def build_script():
    pytest.importorskip("setuptools")
    return runpy.run_path(str(BUILD))


def test_pictures_of_the_readme_are_left_out_where_the_project_has_no_address(build_script):
    shown = build_script["for_an_index"]("# a\n\n![b](c/d.png)\n\n![e](https://f/g.png)\n\nh\n", "")
    assert shown == "# a\n\n![e](https://f/g.png)\n\nh\n"


def test_pictures_of_the_readme_are_absolute_where_it_has_one(build_script):
    shown = build_script["for_an_index"](
        "# a\n\n![b](c/d.png)\n\n![e](https://f/g.png)\n\nh\n", "https://x/y"
    )
    assert shown == "# a\n\n![b](https://x/y/raw/HEAD/c/d.png)\n\n![e](https://f/g.png)\n\nh\n"


def test_an_index_is_given_no_picture_of_the_readme_that_it_cannot_show(build_script):
    shown = build_script["for_an_index"](
        (ROOT / "README.md").read_text(), ksdiff_jax.PROJECT_ADDRESS
    )
    assert not re.search(r"!\[[^\]]*\]\((?!https://)", shown)
