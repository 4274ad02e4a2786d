"""The structural rules of the package, checked on the source text with `ast`.

A module of ksdiff_jax imports only from lower floors or its own folder, whether at the top of the
file or inside a function. The other rules (no Flax at the bottom, Orbax in one file, no mesh in a
model, short files and functions, few parameters) enforce the design.
"""

import ast
from collections.abc import Collection
from pathlib import Path

import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.motion.space import MOTION_DIMS

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
    ["data", "export"],
    ["live", "pictures"],
    ["models"],
    ["animate"],
    ["evaluate"],
    ["train"],
    ["bench", "asset_builders", "ratings"],
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
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
AS_LONG_AS_THEY_NEED = {"train/loop.py": {"train"}}  # the events of a run in their order
MAX_PARAMETERS = 9
MANY_PARAMETERS = 6  # only a small share of the functions has more
SHARE_WITH_MANY_PARAMETERS = 0.01

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


def functions_of(source: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions and methods, also those inside others."""
    nodes = ast.walk(ast.parse(source))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def over_long_functions(source: str, *, exempt: Collection[str] = ()) -> list[str]:
    """Functions of more than the permitted number of lines, from `def` to their last line."""
    lengths = [(node.name, node.end_lineno - node.lineno + 1) for node in functions_of(source)]
    return [
        f"{name}: {length} lines"
        for name, length in lengths
        if length > MAX_FUNCTION_LINES and name not in exempt
    ]


def parameter_counts(source: str) -> list[tuple[str, int]]:
    """Each function with the number of its parameters of all kinds, without self and cls."""
    counts = []
    for node in functions_of(source):
        given = node.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        gathered = [argument for argument in (given.vararg, given.kwarg) if argument]
        own = {argument.arg for argument in named[:1]} & {"self", "cls"}
        counts.append((node.name, len(named) + len(gathered) - len(own)))
    return counts


def circles(sources: dict[str, str]) -> list[list[str]]:
    """Groups of modules that import each other, be it in a round, from their sources by dotted
    name; imports inside functions count.
    """
    graph = {
        name: {found for found in map(_module_in(sources), imported_names(source)) if found}
        for name, source in sources.items()
    }
    reach = {name: _reached_from(name, graph) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def _module_in(sources: dict[str, str]):
    def module_of(name: str) -> str | None:
        """The module that `from a import b` reads: a.b if it is one, else a."""
        return next((n for n in (name, name.rpartition(".")[0]) if n in sources), None)

    return module_of


def _reached_from(name: str, graph: dict[str, set[str]]) -> set[str]:
    reached, ahead = set(), [name]
    while ahead:
        for following in graph[ahead.pop()] - reached:
            reached.add(following)
            ahead.append(following)
    return reached


BELOW_THE_ROOF = [path for path in SOURCES if part_of(path) not in {"__init__", "__main__"}]
PARTS = sorted({part_of(path) for path in BELOW_THE_ROOF})


def sources_of(part: str) -> dict[str, str]:
    return {
        str(path.relative_to(PACKAGE)): path.read_text()
        for path in SOURCES
        if part_of(path) == part
    }


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_from_lower_floors_or_itself(part):
    assert part in FLOOR_OF, f"{part} stands on no floor: put it in the list above"
    wrong = {name: upward_imports(part, source) for name, source in sources_of(part).items()}
    assert {name: names for name, names in wrong.items() if names} == {}


def test_no_module_imports_itself_by_way_of_others():
    sources = {
        ".".join(("ksdiff_jax", *path.relative_to(PACKAGE).with_suffix("").parts)): path.read_text()
        for path in BELOW_THE_ROOF
    }
    assert circles({name.removesuffix(".__init__"): text for name, text in sources.items()}) == []


@pytest.mark.parametrize("part", [part for part in PARTS if FLOOR_OF.get(part, 9) <= 1])
def test_the_two_bottom_floors_know_nothing_of_flax(part):
    for name, source in sources_of(part).items():
        assert "flax" not in {n.split(".")[0] for n in imported_names(source)}, name


def test_one_file_imports_orbax():
    users = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if any(n.split(".")[0] == "orbax" for n in imported_names(path.read_text()))
    ]
    assert len(users) <= 1, users


@pytest.mark.parametrize("part", [part for part in PARTS if part not in MESH_FOLDERS])
def test_a_mesh_is_seen_only_where_models_meet_devices(part):
    for name, source in sources_of(part).items():
        names = imported_names(source) | dotted_attributes(source)
        assert not {found for found in names if found.startswith(MESH_NAMES)}, name


@pytest.mark.parametrize("part", PARTS)
def test_files_and_functions_stay_short_and_named_for_what_they_hold(part):
    for name, source in sources_of(part).items():
        assert len(source.splitlines()) <= MAX_FILE_LINES, name
        exempt = AS_LONG_AS_THEY_NEED.get(name, ())
        assert over_long_functions(source, exempt=exempt) == [], name
        assert Path(name).stem not in VAGUE_NAMES, name


def test_no_function_has_many_parameters_and_few_have_several():
    counts = [
        (count, f"{path.relative_to(PACKAGE)}: {function}")
        for path in SOURCES
        for function, count in parameter_counts(path.read_text())
    ]
    many = sorted(found for found in counts if found[0] > MANY_PARAMETERS)
    assert len(many) <= SHARE_WITH_MANY_PARAMETERS * len(counts), (len(counts), many)
    assert [found for found in many if found[0] > MAX_PARAMETERS] == []


def test_the_rules_see_what_they_forbid():
    inside = "def f():\n    from ksdiff_jax.train import loop\n"
    assert upward_imports("audio", inside) == ["ksdiff_jax.train.loop"]
    assert upward_imports("audio", "from ksdiff_jax.motion import space") == [
        "ksdiff_jax.motion.space"
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
    assert parameter_counts("def f(a, b=1, /, c=2, *d, e, f=3, **g): pass") == [("f", 7)]
    assert parameter_counts("class A:\n    async def f(self, a, *, b): pass") == [("f", 2)]
    assert parameter_counts("def f(a):\n    def g(self): pass") == [("f", 1), ("g", 0)]


def test_a_circle_is_seen_also_where_it_goes_through_a_function_and_a_package():
    sources = {
        "p.a": "from p import b\n",
        "p.b": "def f():\n    from p.c import x\n",
        "p.c": "import p.a\n",
        "p.d": "from p.a import y\n",
    }
    assert circles(sources) == [["p.a", "p.b", "p.c"]]
    assert circles(sources | {"p.c": "import os\n"}) == []


WIDTHS = (MOTION_DIMS, SAMPLES_PER_MOTION_FRAME)
WIDTH_OWNERS = ("ksdiff_jax/motion/space.py", "ksdiff_jax/audio/timebase.py")


def written_widths(source: str) -> list[int]:
    """Lines with the number of a motion frame's coefficients or samples as an integer constant."""
    numbers = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)]
    return [n.lineno for n in numbers if type(n.value) is int and n.value in WIDTHS]


def test_the_widths_of_a_motion_frame_are_written_in_one_place_each():
    root = PACKAGE.parent
    sources = [
        path for name in ("ksdiff_jax", "tests", "configs") for path in root.glob(f"{name}/**/*.py")
    ]
    found = {
        str(path.relative_to(root)): lines
        for path in sources
        if (lines := written_widths(path.read_text(encoding="utf-8")))
    }
    assert set(found) <= set(WIDTH_OWNERS), found
    assert written_widths(f"x = np.zeros((3, 50 + 9))\nshape = (2, {MOTION_DIMS})\n") == [2]
