"""The paper's model on GPUs and TPUs: `ksdiff-jax train paper_bf16 --data.path SHARDS`.

This is configs/paper.py with dense layers and attention in bfloat16 and float32 parameters and
moments. Attention uses cuDNN's fused kernel on NVIDIA GPUs from Ampere on. On several devices, use
the option for the memory that is short:

    memory for activations    --train.remat dots, or --train.accumulate_steps 4
    memory for parameters     --mesh.fsdp 8 (they and their moments are spread over 8 devices)
"""

from ksdiff_jax.models.ksdiff.config import Config, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig, PretrainedEncoderConfig


def config() -> Config:
    encoder = EncoderConfig(
        kind="pretrained",
        path="facebook/wav2vec2-base-960h",
        architecture=PretrainedEncoderConfig(),
    )
    return Config(name="paper_bf16", model=ModelConfig(encoder=encoder, compute_dtype="bfloat16"))
