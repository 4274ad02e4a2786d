"""DiffSpeaker, the paper's baseline (Ma et al. 2024), as a change of a configuration of KSDiff.

The motion generator of KSDiff is DiffSpeaker's: the biased conditional attention and the x₀
objective stay. `DIFFSPEAKER` takes away what the paper adds and sets the sizes of DiffSpeaker's
released VOCASET model:

| | KSDiff | DiffSpeaker |
|---|---|---|
| generators | head and expression apart | one over all dimensions |
| speech | DPSE with pitch and energy | output of the speech encoder -> linear |
| keyframes, transcript, spectral loss | yes | none |
| layers, heads, width of the feed-forward blocks | 6, 8, 4 D | 1, 4, 2 D |
| cross-attention to speech | 3 frames on either side | the frame itself |
| classifier-free guidance | speech is dropped with p = 0.1 | none |

What a configuration has beyond the paper (the speech encoder, `loss.lip_gap`, augmentation, the
sampler) stays as it is, so that a row of an ablation study has it in common with the others.

Three differences to the original remain (R). It animates vertices of a still head, and has no head
pose; here the one generator moves all that the other rows move. Its identity is a named speaker;
here it is the style. With `dual_path` off the generator reads one projection of the speech twice,
which one linear layer merges.
"""

from types import MappingProxyType

NAME = "DiffSpeaker"
DIFFSPEAKER = MappingProxyType(
    {
        "model.heads": 4,
        "model.ffn_ratio": 2,
        "model.speech_paths.refine": False,
        "model.transcript.enabled": False,
        "model.keyframes.enabled": False,
        "model.generator.dual_path": False,
        "model.generator.layers": 1,
        "model.generator.alignment_frames": 0,
        "model.diffusion.condition_drop_probability": 0.0,
        "loss.spectral": 0.0,
        "sample.guidance": 1.0,
        "sample.head_guidance": None,
        "sample.keyframe_guidance": 1.0,
    }
)
# Table 1, on HDTF; its Diversity and Beat Align are empty for a method without a head pose. The
# full model has an LVE of 4.835 in that table and of 4.635 in Table 3.
PAPER_TABLE_1 = MappingProxyType({"LSE-C": 0.702, "LSE-D": 9.916, "LVE": 4.926})
