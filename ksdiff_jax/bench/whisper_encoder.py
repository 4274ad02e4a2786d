"""`ksdiff-jax bench encoder --architecture whisper`: our encoder of Whisper against the original in
torch, in one process.

The original encodes 30 s whatever the length, ours the ten seconds and one of silence; `padded_s`
is our time for 30 s. All begin at the sound, and so include the log-mel frames. Parity is the
largest difference of the last hidden state of the same 30 s of log-mel frames over its largest
value.
"""

import argparse
import statistics
import tempfile
from typing import TYPE_CHECKING

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.bench.encoder import CLIP_S, installed_torch, seconds_of

if TYPE_CHECKING:
    import numpy as np

    from ksdiff_jax.speech.load import SpeechEncoder

SIZES = {"tiny": (384, 4), "base": (512, 6), "large": (1280, 32)}  # width, layers
_WINDOW_S = 30  # what the original encodes at once


def measure(args: argparse.Namespace) -> dict:
    """Measure times, their ratios, and the parity error."""
    torch = installed_torch()
    torch.set_num_threads(args.threads)
    import jax.numpy as jnp
    import numpy as np
    from transformers import WhisperFeatureExtractor

    from ksdiff_jax.bench.machine import machine
    from ksdiff_jax.bench.voice import made_up_voice
    from ksdiff_jax.speech.load import load_encoder
    from ksdiff_jax.tree import parameter_count

    theirs, extractor = _random_original(*SIZES[args.size]), WhisperFeatureExtractor()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        encoder = load_encoder(folder, dtype=jnp.float32)
    sound = made_up_voice(CLIP_S)
    # with the second of silence behind them, 29 s are the 30 s of the original
    padded = np.pad(sound, (0, (_WINDOW_S - 1) * SAMPLE_RATE_HZ - len(sound)))

    def original():
        mel = extractor(sound, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
        with torch.inference_mode():
            return mel.numpy(), theirs(mel).last_hidden_state.numpy()

    parity = _parity_error(encoder, *original())
    runs = (lambda: encoder(sound[None]), lambda: encoder(padded[None]), original)
    runs[0](), runs[1]()
    rounds = [
        [seconds_of(lambda run=run: np.asarray(run()[0])) for run in runs]
        for _ in range(args.repeats)
    ]
    ours_s, padded_s, torch_s = (statistics.median(column) for column in zip(*rounds, strict=True))
    own, ratio = (statistics.median(row[0] / row[place] for row in rounds) for place in (1, 2))
    return {
        "summary": f"whisper {args.size}, {CLIP_S:g} s of sound, {args.threads} threads: ours "
        f"{ours_s:.3f} s, padded to {_WINDOW_S} s {padded_s:.3f} s, torch {torch_s:.3f} s, ratio "
        f"{ratio:.3f}, parity error {parity:.1e}",
        "ours_s": round(ours_s, 4),
        "padded_s": round(padded_s, 4),
        "torch_s": round(torch_s, 4),
        "own_length_over_padded": round(own, 4),
        "ratio": round(ratio, 4),
        "parity_error": parity,
        "parameters": parameter_count(encoder.params),
        "threads": args.threads,
        "torch": torch.__version__,
        "machine": machine(),
    }


def _parity_error(encoder: "SpeechEncoder", mel: "np.ndarray", expected: "np.ndarray") -> float:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from ksdiff_jax.speech.whisper import WhisperEncoder

    states = jax.jit(
        lambda params, mel: WhisperEncoder(encoder.config).apply(
            {"params": params}, mel, method=WhisperEncoder.states
        )
    )
    found = np.asarray(states(encoder.params, jnp.asarray(mel.transpose(0, 2, 1))).last)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _random_original(width: int, layers: int):
    """Return the original encoder with random weights, for inference."""
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    sizes = {"d_model": width, "encoder_layers": layers, "encoder_ffn_dim": 4 * width}
    heads = {f"{part}_attention_heads": width // 64 for part in ("encoder", "decoder")}
    decoder = {"decoder_layers": 1, "decoder_ffn_dim": 8, "vocab_size": 8}
    tokens = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    settings = sizes | heads | decoder | dict.fromkeys(tokens, 0) | {"begin_suppress_tokens": None}
    return transformers.WhisperModel(transformers.WhisperConfig(**settings)).encoder.eval()
