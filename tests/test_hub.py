"""The texts that are names on the hub; everything else may be a path and never leaves the
machine.
"""

import pytest

from ksdiff_jax.hub import HubName, find_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/name", HubName("org/name", None)),
        ("a/b.c-d_e", HubName("a/b.c-d_e", None)),
        ("org/name@v1.0", HubName("org/name", "v1.0")),
        ("org/name@refs/pr/1", HubName("org/name", "refs/pr/1")),
    ],
)
def test_names_of_the_hub(text, name):
    assert find_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "name",
            "a/b/c",
            "./x",
            "../x",
            "/a/b",
            "-a/b",
            "a/b-",
            "a/.b",
            "a--b/c",
            "a/b..c",
            "a/b.git",
        ),
        *("ünï/code", "org/name@", "org/ name", "@v1", "org/name@a..b"),
    ],
)
def test_texts_that_are_none(text):
    assert find_name(text) is None
