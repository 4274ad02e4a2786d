"""Speech features and transcripts: our log-mel encoder, pretrained encoders in Flax (KSDiff §2.1),
transcript readers.

`load_encoder` loads a Wav2Vec 2.0, HuBERT, WavLM or Whisper from a folder or the Hugging Face hub,
and our own small encoder (`student`) from the run that trained it.
`mel_encoder` needs no download. `transcripts` reads the text files beside recordings, and
`transcript` encodes text as bytes. Reading text does not import JAX.
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
