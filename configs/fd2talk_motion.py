"""FD2Talk's motion stage as published (§4.1): `ksdiff-jax train fd2talk_motion --data.path SHARDS`.

6 layers, 1000 steps of noise, sequences of 25 frames, one sequence for each of the paper's 8
devices, Wav2Vec 2.0 in front, a lip expert. Adam's rate, width and heads are ours. Needs an
accelerator to finish. Wav2Vec 2.0 is downloaded on first use; without a network,
`--model.encoder.path` names the folder of a copy.

The lip expert is a run of the system `sync`, on the space of the data: the one that ships is of the
built-in head. `--loss.sync 0` trains without one. Longer sequences are `--data.clip_frames`.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.fd2talk.motion.config import Config, ModelConfig
from ksdiff_jax.models.sync.reference import SyncModelConfig
from ksdiff_jax.speech.config import EncoderConfig, PretrainedEncoderConfig


def config() -> Config:
    encoder = EncoderConfig(
        kind="pretrained",
        path="facebook/wav2vec2-base-960h",
        architecture=PretrainedEncoderConfig(),
    )
    return Config(
        name="fd2talk_motion",
        model=ModelConfig(encoder=encoder, sync=SyncModelConfig(path="sync")),
        data=DataConfig(batch_size=8, clip_frames=25),
        train=TrainConfig(warmup_steps=0, weight_decay=0.0),
    )
