"""Ways in which files get damaged."""

import numpy as np

KINDS = ("flip", "zero", "noise", "cut", "drop", "double", "swap")


def damaged(content: bytes, rng: np.random.Generator, *, spare: int = 0) -> tuple[str, bytes]:
    """How the content was damaged, and the result; the first `spare` bytes stay."""
    kind = str(rng.choice(KINDS))
    size = len(content)
    if size <= spare + 8:
        return "whole", content
    at = int(rng.integers(spare, size - 4))
    length = min(size - at, int(2 ** rng.uniform(0, np.log2(max(2, size // 4)))))
    head, part, tail = content[:at], content[at : at + length], content[at + length :]
    if kind == "flip":
        bits = bytearray(content)
        for place in rng.integers(spare, size, int(2 ** rng.uniform(0, 6))):
            bits[place] ^= 1 << int(rng.integers(8))
        return kind, bytes(bits)
    if kind == "cut":
        return kind, head
    other = {"zero": bytes(length), "noise": rng.bytes(length), "drop": b"", "double": part + part,
             "swap": tail[:length] + part}[kind]  # fmt: skip
    return kind, head + other + (tail[length:] if kind == "swap" else tail)
