"""Converts the chunks of a recogniser, some with times that are missing or out of order, to words
in order.
"""

import math
from collections.abc import Iterable, Mapping

from ksdiff_jax.speech.transcripts.spoken_words import Spoken


def spoken_words(chunks: Iterable[Mapping], *, duration_s: float) -> tuple[Spoken, ...]:
    """Return the words of `{"text", "timestamp": (start, end)}` in order; none starts before the
    previous one or after the end.

    A missing end (None: the window ended inside the word) is replaced by the start of the next
    word, or the end of the recording. A missing start is replaced by the end of the previous word.
    """
    texts, starts, ends = [], [], []
    for chunk in chunks:
        if text := str(chunk["text"]).strip():
            start, end = chunk["timestamp"]
            texts.append(text)
            starts.append(math.nan if start is None else float(start))
            ends.append(math.nan if end is None else float(end))
    following, later = [duration_s] * len(texts), duration_s
    for index in range(len(texts) - 1, -1, -1):
        following[index] = later
        later = later if math.isnan(starts[index]) else starts[index]
    words: list[Spoken] = []
    earliest_s = after_s = 0.0  # start of the last word, and its last known end
    for index, text in enumerate(texts):
        start_s = min(after_s, following[index]) if math.isnan(starts[index]) else starts[index]
        start_s = min(max(start_s, earliest_s), duration_s)
        end_s = following[index] if math.isnan(ends[index]) else ends[index]
        words.append(Spoken(text, start_s, min(max(end_s, start_s), duration_s)))
        earliest_s = start_s
        after_s = start_s if math.isnan(ends[index]) else words[-1].end_s
    return tuple(words)
