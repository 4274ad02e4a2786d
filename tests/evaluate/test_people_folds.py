import itertools

from ksdiff_jax.evaluate.people_folds import people_folds


def test_thirteen_people_are_each_in_one_of_four_folds_and_the_spot_checks_in_none():
    folds = people_folds()
    people = list(itertools.chain(*folds.folds))
    assert len(folds.folds) == 4
    assert len(set(people)) == len(people) == 13
    assert {"s20", "reagan"} <= folds.never
    assert not folds.never & set(people)
    assert folds.group("obama") == folds.group("s31") != folds.group("s1")
    assert folds.group("a stranger") == "a stranger"


def test_the_people_are_those_of_the_real_faces(shared_data):
    found = {path.parent.name for path in (shared_data / "faces").rglob("*.mp*g*")}
    found |= {path.parent.name for path in (shared_data / "faces").rglob("*.mp4")}
    assert found == set(itertools.chain(*people_folds().folds))
