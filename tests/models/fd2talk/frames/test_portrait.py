"""A saved frames stage paints a portrait through `Painter`, as `animate --portrait` does."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.animate.painter import Painter
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.fd2talk.frames.first_stage import FirstStage
from ksdiff_jax.models.fd2talk.frames.system import painted
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.models.self_contained import save_self_contained
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.overrides import override
from ksdiff_jax.pictures.values import to_bytes
from tests.models.fd2talk.frames.test_frames import AUTOENCODER, FRAMES, perturbed

SPACE = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))


def saved(folder, config):
    system = build_system(config, SPACE)
    params = perturbed(jax.jit(system.init)(jax.random.key(0)))
    save_pretrained(folder, config=config, params=params, space=SPACE)
    return system, params


@pytest.mark.slow
def test_the_painter_of_a_checkpoint_paints_what_its_system_does(tmp_path):
    coder, weights = saved(tmp_path / "autoencoder", AUTOENCODER)
    config = override(FRAMES, {"model.autoencoder_path": str(tmp_path / "autoencoder")})
    system, params = saved(tmp_path / "frames", config)
    painter = Painter.from_pretrained(tmp_path / "frames")
    assert (painter.side, painter.space) == (16, "builtin")
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    motion = rng.normal(size=(3, BUILTIN.width)).astype(np.float32)
    found = np.stack(list(painter.paint(reference, motion)))
    stage = FirstStage(coder, jax.tree.map(jnp.asarray, weights), "", "")
    wanted = to_bytes(painted(system, params, stage, reference, motion))
    assert found.shape == (3, 16, 16, 3)
    assert np.abs(found.astype(int) - wanted).max() <= 1
    save_self_contained(tmp_path / "frames", tmp_path / "whole")
    shutil.rmtree(tmp_path / "autoencoder")
    held = np.stack(list(Painter.from_pretrained(tmp_path / "whole").paint(reference, motion)))
    assert np.abs(found.astype(int) - held).max() <= 3  # float16


@pytest.mark.slow
def test_a_frames_stage_without_its_autoencoder_is_refused(tmp_path):
    saved(tmp_path / "frames", FRAMES)
    with pytest.raises(InputError, match=r"model\.autoencoder_path is empty"):
        Painter.from_pretrained(tmp_path / "frames")
