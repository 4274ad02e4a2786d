"""The house rules that a reader relies on, read from the source text itself with `ast`.

A module of ksdiff_jax imports only from lower floors or its own folder, whether at the top of the
file or inside a function. The other rules (no Flax at the bottom, Orbax in one file, no mesh in a
model, short files and functions) keep the seams where the design puts them.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ksdiff_jax"
FLOORS = [
    [
        "errors",
        "limits",
        "config",
        "overrides",
        "files",
        "locks",
        "hub",
        "plain_text",
        "typing",
        "rng",
        "tree",
        "fourier",
        "heap",
        "ownership",
        "outputs",
        "packaging",
        "runtime",
        "log_lines",
    ],
    ["audio", "motion", "diffusion", "parallel", "foreign"],
    ["face", "layers"],
    ["speech"],
    ["models"],
    ["data", "export"],
    ["animate"],
    ["evaluate"],
    ["train"],
    ["bench"],
    ["cli"],
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MESH_FOLDERS = {"parallel", "train", "evaluate", "animate"}
MESH_NAMES = (
    "jax.sharding",
    "jax.make_mesh",
    "jax.set_mesh",
    "jax.experimental.mesh_utils",
    "jax.experimental.pjit",
)
VAGUE_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "util", "helper"}
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 75
AS_LONG_AS_THEY_NEED = {"train", "add_arguments"}  # events, or options, in their order

SOURCES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """`audio` for ksdiff_jax/audio/mel.py, `errors` for ksdiff_jax/errors.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(source: str) -> set[str]:
    """Dotted names of everything that a piece of source imports, anywhere in it: `from a import b`
    gives `a.b`.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted_attributes(source: str) -> set[str]:
    """Every attribute chain that starts at a bare name: `jax.sharding.Mesh` also gives
    `jax.sharding`.
    """
    return {
        ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
    }


def upward_imports(part: str, source: str) -> list[str]:
    """Imports of `source`, a module of `part`, that do not go down."""
    wrong = []
    for name in sorted(imported_names(source)):
        pieces = name.split(".")
        if pieces[0] != "ksdiff_jax" or pieces[1:] == ["__version__"]:
            continue
        target = pieces[1] if len(pieces) > 1 else ""
        same_folder = target == part or (FLOOR_OF.get(part) == FLOOR_OF.get(target) == 0)
        if not same_folder and not FLOOR_OF.get(target, len(FLOORS)) < FLOOR_OF[part]:
            wrong.append(name)
    return wrong


def over_long_functions(source: str) -> list[str]:
    """Functions of more than the permitted number of lines, from `def` to their last line."""
    functions = [
        n
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        and n.name not in AS_LONG_AS_THEY_NEED
    ]
    lengths = [(function.name, function.end_lineno - function.lineno + 1) for function in functions]
    return [f"{name}: {length} lines" for name, length in lengths if length > MAX_FUNCTION_LINES]


def below_the_roof() -> list[Path]:
    """All modules but the package's own `__init__` and `__main__`, which may reach everything."""
    return [path for path in SOURCES if part_of(path) not in {"__init__", "__main__"}]


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", below_the_roof(), ids=name_of)
def test_a_module_imports_only_from_lower_floors_or_its_own_folder(path):
    assert part_of(path) in FLOOR_OF, (
        f"{path.name} stands on no floor: put it in a folder of the list above"
    )
    assert upward_imports(part_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    "path", [p for p in below_the_roof() if FLOOR_OF.get(part_of(p), 9) <= 1], ids=name_of
)
def test_the_two_bottom_floors_know_nothing_of_flax(path):
    assert not {name for name in imported_names(path.read_text()) if name.split(".")[0] == "flax"}


def test_one_file_imports_orbax():
    users = [
        name_of(p)
        for p in SOURCES
        if any(n.split(".")[0] == "orbax" for n in imported_names(p.read_text()))
    ]
    assert len(users) <= 1, users


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if part_of(p) not in MESH_FOLDERS], ids=name_of
)
def test_a_mesh_is_seen_only_where_models_meet_devices(path):
    source = path.read_text()
    names = imported_names(source) | dotted_attributes(source)
    assert not {name for name in names if name.startswith(MESH_NAMES)}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_stay_short_and_named_for_what_they_hold(path):
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_FILE_LINES
    assert over_long_functions(source) == []
    assert path.stem not in VAGUE_NAMES


def test_the_rules_see_what_they_forbid():
    inside = "def f():\n    from ksdiff_jax.train import loop\n"
    assert upward_imports("audio", inside) == ["ksdiff_jax.train.loop"]
    assert upward_imports("audio", "from ksdiff_jax.motion import layout") == [
        "ksdiff_jax.motion.layout"
    ]
    assert upward_imports("cli", "from ksdiff_jax.train import loop") == []
    assert (
        upward_imports("audio", "from ksdiff_jax.audio import mel\nimport ksdiff_jax.errors") == []
    )
    assert upward_imports("audio", "from ksdiff_jax import Animator") == ["ksdiff_jax.Animator"]
    assert upward_imports("files", "from ksdiff_jax.errors import InputError") == []
    assert "jax.sharding" in dotted_attributes("x = jax.sharding.Mesh(d)")
    assert over_long_functions("def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES) == [
        f"f: {MAX_FUNCTION_LINES + 1} lines"
    ]
    assert over_long_functions("def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)) == []
