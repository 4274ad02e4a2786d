import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.bilabials import EDGE_S, bilabials_of


def test_a_p_b_or_m_is_at_the_edge_of_its_word(tmp_path):
    (tmp_path / "clip.align").write_text(
        "0 12500 sil\n12500 25000 BIN\n25000 50000 m\n50000 60000 four\n"
    )
    assert bilabials_of(tmp_path / "clip.mpg") == (
        ("b", 0.5 - EDGE_S, 0.5 + EDGE_S),
        ("m", 2.0 - EDGE_S, 2.0 + EDGE_S),
    )


def test_a_video_without_word_times_has_none(tmp_path):
    assert bilabials_of(tmp_path / "clip.mpg") == ()


def test_a_line_that_is_not_two_times_and_a_word_is_named(tmp_path):
    (tmp_path / "clip.align").write_text("0 100 sil\n0.5 1.0 bin\n")
    with pytest.raises(InputError, match="line 2"):
        bilabials_of(tmp_path / "clip.mpg")
