import numpy as np
import pytest

from ksdiff_jax.data.corpus.phrasebook import GRAMMARS
from ksdiff_jax.data.corpus.sentences import LANGUAGES, SPLITS, draw_sentence, sentence_split
from ksdiff_jax.data.corpus.speakers import ACCENTS, VARIANTS, draw_speaker
from ksdiff_jax.errors import InputError


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_occurs_in_two_splits(language: str):
    said = {}
    for split in SPLITS:
        # the same stream for every split: the split alone must keep them apart
        rng = np.random.default_rng(0)
        said[split] = {draw_sentence(rng, language=language, split=split) for _ in range(100)}
        assert all(sentence_split(sentence) == split for sentence in said[split])
        assert len(said[split]) > 50  # and they are not all alike
    assert not (
        said["train"] & said["test"] or said["train"] & said["val"] or said["val"] & said["test"]
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_symbol_of_a_grammar_is_defined_and_used(language: str):
    grammar = GRAMMARS[language]
    text = " ".join(
        alternative for alternatives in grammar.values() for alternative in alternatives
    )
    used = {part.split("}")[0] for part in text.split("{")[1:]}
    assert used == set(grammar) - {"sentence"}


def test_sentences_are_fully_expanded_and_capitalised():
    rng = np.random.default_rng(1)
    for _ in range(100):
        sentence = draw_sentence(rng, language="en", split="train")
        assert "{" not in sentence and "  " not in sentence
        assert sentence[0].isupper() and sentence[-1] in ".?!"


def test_an_unknown_language_is_named():
    with pytest.raises(InputError, match="klingon"):
        draw_sentence(np.random.default_rng(0), language="klingon", split="train")


def test_voices_of_the_splits_are_disjoint():
    voices = [set(VARIANTS[split]) for split in SPLITS]
    assert sum(map(len, voices)) == len(set.union(*voices))
    assert set(ACCENTS) == set(LANGUAGES)
    rng = np.random.default_rng(0)
    for split in SPLITS:
        speaker = draw_speaker(rng, language="en", split=split)
        assert speaker.voice.name.split("+")[1] in VARIANTS[split]
        assert 0.85 <= speaker.tract_factor <= 1.18
