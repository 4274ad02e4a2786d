"""From sound to features: our own log-mel encoder, and pretrained ones in Flax (KSDiff §2.1).

`load_encoder` brings a Wav2Vec 2.0, HuBERT or WavLM from a folder or the Hugging Face hub; `mel_encoder` needs nothing;
`transcript` reads text as bytes.
"""

from ksdiff_jax.speech.load import SpeechEncoder, load_encoder

__all__ = ["SpeechEncoder", "load_encoder"]
