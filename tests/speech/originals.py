"""Tiny random models of transformers in every layout, on disk in Hugging Face's format."""

import json
from pathlib import Path

LAYOUTS = {
    "wav2vec2 base": ("wav2vec2", {}),
    "wav2vec2 large": (
        "wav2vec2",
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    ),
    "wav2vec2 layer norms, post-norm": ("wav2vec2", {"feat_extract_norm": "layer"}),
    "wav2vec2 group norm, pre-norm": (
        "wav2vec2",
        {"do_stable_layer_norm": True, "conv_bias": True},
    ),
    "hubert base": ("hubert", {}),
    "hubert large": (
        "hubert",
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    ),
    "hubert without projection norm": ("hubert", {"feat_proj_layer_norm": False}),
    "hubert with batch norm": ("hubert", {"conv_pos_batch_norm": True}),
    "wavlm base": ("wavlm", {}),
    "wavlm large": ("wavlm", {"feat_extract_norm": "layer", "do_stable_layer_norm": True}),
}
TINY = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "conv_dim": (12,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 8,
}


def build(layout: str, *, seed: int = 0, head: str | None = None, **changes):
    """A torch model in evaluation mode, its norms and biases random too, so that none of them is a
    no-op.
    """
    import torch
    import transformers

    kind, own = LAYOUTS[layout]
    name = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}[kind]
    config = getattr(transformers, f"{name}Config")(
        **{**TINY, **own, **changes}, attn_implementation="eager"
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}{head or 'Model'}")(config).eval()
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif tensor.is_floating_point() and tensor.ndim <= 1:
                tensor.add_(0.2 * torch.randn_like(tensor))
            elif "rel_attn_embed" in key or "gru_rel_pos" in key:
                tensor.add_(torch.randn_like(tensor))
    return model


def save(model, folder: Path, *, normalise: bool = False) -> Path:
    """The model as `save_pretrained` writes it, with a feature extractor's configuration."""
    model.save_pretrained(folder)
    extractor = {"do_normalize": normalise, "return_attention_mask": False, "sampling_rate": 16000}
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    return folder
