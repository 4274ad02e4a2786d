"""The notations of phone names, told apart by the names of a whole set."""

import pytest

from ksdiff_jax.data.corpus.phonemes import TARGETS
from ksdiff_jax.data.corpus.recordings import phone_names
from ksdiff_jax.data.corpus.recordings.phone_names import arpabet, ipa, ipa_names, x_sampa


@pytest.mark.parametrize(
    ("notation", "names", "expected"),
    [
        ("ARPABET", "HH AH0 L OW1 AH1 ER0 T", "h ə l ˈoʊ ˈʌ ɚ t"),  # CMUdict
        ("ARPABET", "hh ax l ow tcl t dh axr", "h ə l oʊ t t ð ɚ"),  # festival, TIMIT
        ("ARPABET", "K_B AE2_I T_E", "k ˌæ t"),  # Kaldi's positions in words
        ("X-SAMPA", 'T S {N "a: t_h aU @ 6 OY', "θ ʃ æŋ ˈa t aʊ ə ɐ ɔʏ"),
        ("X-SAMPA", r"r\ R\ t` s\ a_~ E~ l' n= 2: ?", "ɹ ʀ ʈ ɕ a ɛ l n ø ʔ"),
        ("IPA", "tʃ aj ow d̪ pʷ tʰ ɫ̩ ˈɛː ç ʤ a˥˩", "tʃ aɪ oʊ d p t ɫ ˈɛ ç dʒ a"),
    ],
)
def test_names_of_each_notation_become_letters_that_have_targets(notation, names, expected):
    named = names.split()
    found, read, unknown = ipa_names(named)
    assert (found, unknown) == (notation, ())
    assert [read[name] for name in named] == expected.split()
    assert all(letter in TARGETS or letter in "ˈˌ" for letter in "".join(read.values()))


def test_a_name_means_what_it_means_among_the_others():
    """T is a t in ARPABET and a dental fricative in X-SAMPA."""
    assert ipa_names(["T", "AA1", "S"])[1]["T"] == "t"
    assert ipa_names(["T", "A:", "S"])[1]["T"] == "θ"
    assert ipa_names(["OY", "T", "a", "S"])[1] == {"OY": "ɔʏ", "T": "θ", "a": "a", "S": "ʃ"}


def test_silences_and_unnamed_speech_are_known_in_every_notation():
    for others in (["AA1", "T"], ["A:", "T"], ["ɑː", "t"]):
        _, read, unknown = ipa_names(["", "sil", "SP", "<p:>", "pau", "h#", "spn", *others])
        assert unknown == () and read["spn"] == "ə"
        assert {read[name] for name in ("", "sil", "SP", "<p:>", "pau", "h#")} == {""}


def test_names_that_are_none_are_returned_unless_their_ipa_is_given():
    assert ipa_names(["AA1", "T", "QQ", "B7"])[2] == ("B7", "QQ")
    _, read, unknown = ipa_names(["AA1", "QQ", "zz"], given={"QQ": "k", "zz": ""})
    assert unknown == () and (read["QQ"], read["zz"]) == ("k", "")
    assert arpabet("T1") is None and x_sampa("a)") is x_sampa("word") is None and ipa("aЖ") is None


def test_every_letter_of_the_tables_has_targets():
    tables = phone_names._ARPABET, phone_names._X_SAMPA, phone_names._IPA_LETTERS
    assert {letter for table in tables for name in table.values() for letter in name} <= set(
        TARGETS
    )
