"""The table of mutants matches the code: every change applies exactly once."""

from pathlib import Path

import pytest

from tests.mutants.change import Mutant, NotFound, mutated
from tests.mutants.table import MUTANTS
from tests.mutants.trial import PACKAGE, REPOSITORY


def test_every_change_of_the_table_is_found_and_its_tests_exist():
    for mutant in MUTANTS:
        path, text = mutated(mutant, REPOSITORY / PACKAGE)
        assert text != path.read_text(encoding="utf-8"), mutant.name
        assert all((REPOSITORY / test.split("::")[0]).is_file() for test in mutant.tests), (
            mutant.name
        )
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_change_is_found_whatever_the_lines_are_and_what_is_not_there_once_is_named(
    tmp_path: Path,
):
    source = (
        "class A:\n    def f(self, x):\n        é = g(  # why\n            x,\n            "
        "1)\n        return é + é\n"
    )
    (tmp_path / "module.py").write_text(source, encoding="utf-8")

    def change(*edit, place="A.f"):
        return mutated(Mutant("one", place, (edit,), ()), tmp_path)[1]

    assert change("g(x, 1)", "g(x, 2)") == source.replace(
        "g(  # why\n            x,\n            1)", "(g(x, 2))"
    )
    assert change("return é + é", "return 3") == source.replace("return é + é", "return 3")
    for edit, place, what in (
        (("é", "x"), "A.f", "one: `é` is 2 times in A.f, need once"),
        (("h(x)", "x"), "A.f", "one: `h.x.` is 0 times in A.f, need once"),
        (("x", "y"), "A.g", "one: no function or class A.g"),
    ):
        with pytest.raises(NotFound, match=what):
            change(*edit, place=place)
