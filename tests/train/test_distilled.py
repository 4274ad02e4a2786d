"""A student from its teacher to a motion: trained, resumed, exported, sampled in few steps."""

import dataclasses

import jax
import numpy as np
import pytest

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.batch import collate
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, default_config
from ksdiff_jax.models.distilled import denoisers
from ksdiff_jax.models.pretrained import read_pretrained, save_pretrained
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.tree import named_leaves
from tests.train.tiny_ksdiff import tiny_config

SPREAD = np.full(MOTION_DIMS, 0.3)
SMALL = {"model.width": 16, "model.heads": 2, "model.encoder.width": 16, "model.encoder.layers": 1}
# the configuration of a tiny teacher, and the beginning of the names that are trained
TEACHERS = {
    "ksdiff": (tiny_config(""), "generators_"),
    "disenttalk": (
        override(
            default_config("disenttalk"),
            SMALL
            | {"model.blocks": 1, "model.output": "motion"}
            | {"model.regions.lip": "22,23", "model.regions.eye": "0,2"},
        ),
        "denoiser",
    ),
    "fd2talk_motion": (
        override(default_config("fd2talk_motion"), SMALL | {"model.layers": 1}),
        "transformers_",
    ),
}


def _moved(leaf):
    """No layer of zeros, behind which the steps would not differ."""
    return leaf + 0.05 * np.cos(np.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape)


@pytest.mark.parametrize(
    "system",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "ksdiff" else pytest.mark.long)
        for name in TEACHERS
    ],
)
def test_a_student_is_trained_resumed_and_sampled_in_few_steps(system, tmp_path, tiny_dataset):
    config, trained = TEACHERS[system]
    config = dataclasses.replace(config, sample=dataclasses.replace(config.sample, guidance=2.0))
    space = BUILTIN.with_statistics(np.zeros(MOTION_DIMS), SPREAD)
    params = jax.device_get(build_system(config, space).init(jax.random.key(0)))
    params = jax.tree.map(_moved, params)
    teacher = save_pretrained(tmp_path / "t", config=config, params=params, space=space)
    command = ["train", "distill", "--distill.teacher", str(teacher), "--distill.student_steps"]
    command += ["1,2", "--sample.steps", "2", "--data.path", str(tiny_dataset), "--quiet"]
    command += ["--data.clip_frames", "32", "--data.batch_size", "2", "--train.validate_clips", "2"]
    command += ["--distill.spectral_windows", "8", "--workdir", str(tmp_path / "run")]
    for steps in ("2", "3"):  # the second run resumes the first
        assert main([*command, "--train.steps", steps]) == 0
    student = read_pretrained(tmp_path / "run")
    assert student.config.sample.steps == 2 and student.config.distill.guidance == 2.0
    assert "teacher" not in student.params
    assert f"Distilled from {teacher}, SHA-256" in (student.path / "card.md").read_text()
    moved = {
        name
        for name, leaf in named_leaves(student.params).items()
        if np.abs(leaf - named_leaves(params)[name]).max() > 0
    }
    assert moved and all(name.startswith(trained) for name in moved)
    animator = Animator.from_pretrained(tmp_path / "run")
    sound = np.sin(np.arange(16_000) / 20).astype(np.float32) / 5
    motions = [animator(sound, sample_rate_hz=16_000, steps=n).exp for n in (1, 2)]
    assert all(len(motion) == 25 and np.isfinite(motion).all() for motion in motions)
    assert np.abs(motions[0] - motions[1]).max() > 0
    with pytest.raises(InputError, match=r"need one of distill\.student_steps, 1, 2: the model is"):
        animator(sound, sample_rate_hz=16_000, steps=10)


@pytest.mark.parametrize("system", ["disenttalk", "fd2talk_motion"])
def test_another_system_with_a_denoiser_has_the_terms_of_distillation_for_each_clip(
    system, tiny_dataset
):
    """Traced, not computed: the slow test above computes it."""
    config, _ = TEACHERS[system]
    distill = dataclasses.replace(config.distill, teacher="runs/teacher", spectral_windows=(8,))
    sample = dataclasses.replace(config.sample, steps=4)
    config = dataclasses.replace(config, distill=distill, sample=sample)
    student = build_system(config, BUILTIN.with_statistics(np.zeros(MOTION_DIMS), SPREAD))
    row = student.example(ShardReader(tiny_dataset, "train")[0], 32)
    batch = collate([row, row])

    def terms(params, batch):
        params |= denoisers(params, system)
        keys = jax.random.split(jax.random.key(0), 2)
        return student.loss(params, batch, keys, train=True)

    found = jax.eval_shape(terms, jax.eval_shape(student.init, jax.random.key(0)), batch)
    kinds = {name.split("/")[1] for name in found}
    assert kinds == {"reconstruction", "velocity", "spectral"}
    assert all(term.shape == (2,) for term in found.values())
