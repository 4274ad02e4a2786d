"""The causal form of an utterance: what live speech would give at each frame.

| part | whole recording | causal |
|---|---|---|
| prosody | normalised over the recording | sliding window, running statistics |
| features of a pretrained encoder | of the recording | its sliding form |
| transcript | spread over the recording | none |
| noise id, unless it was given | a digest of the sound | "stream" |

The network does the rest (`Speech.causal`). With it, motion frame t depends on the sound before the
end of frame t + look-ahead only.
"""

from ksdiff_jax.audio.running_prosody import normalise_so_far, sliding_prosody
from ksdiff_jax.models.speech_encoder import SpeechFeatures
from ksdiff_jax.speech.spoken_parts import SpokenText
from ksdiff_jax.speech.utterance import Utterance, cut_utterance

STREAM = "stream"  # noise id of live speech, of which there is no digest


def causal_form(
    utterance: Utterance, *, ahead: int, features_of: SpeechFeatures | None
) -> Utterance:
    """Return an utterance whose prosody and features at a speech frame depend on the sound up to
    `ahead` frames after it; `features_of` is the sliding form of a pretrained encoder.
    """
    return live_form(utterance)._replace(
        prosody=normalise_so_far(sliding_prosody(utterance.audio, ahead=ahead)),
        features=None if features_of is None else features_of(utterance.audio),
    )


def live_form(utterance: Utterance) -> Utterance:
    """Return an utterance without its transcript, with the noise id of live speech unless another
    one was given. A stream computes prosody and features itself.
    """
    automatic = utterance.sound_id and utterance.noise_id == utterance.sound_id
    utterance = utterance._replace(
        spoken=SpokenText("", ()),
        noise_id=STREAM if automatic else utterance.noise_id,
        causal=True,
    )
    return cut_utterance(utterance, 0, utterance.frames)
