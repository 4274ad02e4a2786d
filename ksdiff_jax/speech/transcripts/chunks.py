"""From the chunks of a recogniser, some of whose times are missing or out of order, to words in
order.
"""

import math
from collections.abc import Iterable, Mapping

from ksdiff_jax.speech.transcripts.spoken_words import Spoken


def spoken_words(chunks: Iterable[Mapping], *, duration_s: float) -> tuple[Spoken, ...]:
    """Words of `{"text", "timestamp": (start, end)}`, in order, none before the last one began nor
    after the end.

    An open end (None: the window ended in the word) is where the next word begins, or the recording
    ends; an open start is where the last word ends.
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
    earliest_s = after_s = 0.0  # where the last word begins, and where it is known to end
    for index, text in enumerate(texts):
        start_s = min(after_s, following[index]) if math.isnan(starts[index]) else starts[index]
        start_s = min(max(start_s, earliest_s), duration_s)
        end_s = following[index] if math.isnan(ends[index]) else ends[index]
        words.append(Spoken(text, start_s, min(max(end_s, start_s), duration_s)))
        earliest_s = start_s
        after_s = start_s if math.isnan(ends[index]) else words[-1].end_s
    return tuple(words)
