"""Transcripts as bytes."""

import numpy as np
import pytest

from ksdiff_jax.speech.transcript import BEGIN, END, SPECIALS, encode


@pytest.mark.parametrize("text", ["hello", "", "Größe", "广州市", "مرحبا", "a\x00b"])
def test_a_text_survives_the_round_trip(text):
    tokens, mask = encode(text, max_tokens=64)
    content = tokens[mask]
    assert content[0] == BEGIN
    assert content[-1] == END
    assert bytes(int(t) - SPECIALS for t in content[1:-1]).decode() == text
    assert np.all(tokens[~mask] == 0)


def test_a_long_text_is_cut_between_characters():
    tokens, mask = encode("市" * 20_000, max_tokens=12)
    content = tokens[mask]
    assert bytes(int(t) - SPECIALS for t in content[1:-1]).decode() == "市" * 3
