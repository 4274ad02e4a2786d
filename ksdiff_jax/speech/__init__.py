"""From sound to features, and what is said: our log-mel encoder, pretrained ones in Flax (KSDiff
§2.1), transcripts.

`load_encoder` brings a Wav2Vec 2.0, HuBERT or WavLM from a folder or the Hugging Face hub;
`mel_encoder` needs nothing; `transcripts` reads what lies beside recordings, `transcript` makes
bytes of them. Reading text loads no JAX.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ksdiff_jax.speech.load import SpeechEncoder, load_encoder

__all__ = ["SpeechEncoder", "load_encoder"]


def __getattr__(name: str):
    if name in __all__:
        from ksdiff_jax.speech import load

        return getattr(load, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
