"""Transcripts as UTF-8 bytes, which need no vocabulary file and cover every language and script
(our choice, R).

Token ids: 0 padding, 1 begin, 2 end, 3 + byte.
"""

import numpy as np

from ksdiff_jax.typing import Bool, Int

PADDING, BEGIN, END = 0, 1, 2
SPECIALS = 3
VOCABULARY = 256 + SPECIALS
SPECIAL_TOKENS = 2  # begin and end of every transcript


def encode(text: str, *, max_tokens: int) -> tuple[Int[np.ndarray, "l"], Bool[np.ndarray, "l"]]:
    """Return token ids (max_tokens,) int32 and their validity; a text that is too long is cut.

    The cut falls between characters, never inside one. An empty text gives only begin and end.
    """
    content = (
        text.encode("utf-8", errors="replace")[: max_tokens - SPECIAL_TOKENS]
        .decode("utf-8", errors="ignore")
        .encode()
    )
    ids = [BEGIN, *(SPECIALS + byte for byte in content), END]
    tokens = np.zeros(max_tokens, np.int32)
    tokens[: len(ids)] = ids
    return tokens, np.arange(max_tokens) < len(ids)
