import pytest

from ksdiff_jax.data.corpus import phonemes as ph


def test_a_diphthong_is_two_vowels_and_the_first_lasts_longer():
    first, second = ph.segments("ˈaɪ", 1.0, 1.25)
    assert (first.symbol, second.symbol) == ("a", "ɪ")
    assert first.start_s == 1.0 and second.end_s == pytest.approx(1.25)
    assert first.end_s == pytest.approx(1.15)  # 3 : 2
    assert first.stress == second.stress == 2


@pytest.mark.parametrize(
    ("ipa", "symbols"),
    [
        ("tʃ", "tʃ"),
        ("ˌuː", "u"),
        ("ɔ̃", "ɔ"),
        ("o̞", "o"),
        ("ɯᵝ", "ɯ"),
        ("ɑːɹ", "ɑɹ"),
        ("tɕh", "tɕh"),
        ("ç", "ç"),
        ("ä", "a"),
    ],
)
def test_marks_and_diacritics_do_not_change_the_class(ipa: str, symbols: str):
    assert "".join(part.symbol for part in ph.segments(ipa, 0.0, 0.1)) == symbols


def test_a_pause_and_an_unknown_sign_are_rest():
    for ipa in ("", "!", "ˈ"):
        assert [part.symbol for part in ph.segments(ipa, 0.0, 0.1)] == [""]


def test_every_value_is_a_share_and_every_dominance_positive():
    for targets in ph.TARGETS.values():
        for target in targets.values():
            assert 0.0 <= target.value <= 1.0 and target.dominance > 0.0


def test_open_vowels_open_the_jaw_more_than_close_vowels():
    opening = {symbol: ph.TARGETS[symbol][ph.JAW].value for symbol in ph.VOWELS}
    assert opening["a"] > opening["ɛ"] > opening["e"] > opening["i"]
    assert opening["ɔ"] > opening["o"] > opening["u"]
