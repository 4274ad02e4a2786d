"""Rows and loss of a student, against plain loops; its teacher, found and refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.config import AugmentConfig, TrainConfig, to_dict
from ksdiff_jax.data.batch import collate
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system, config_from_dict
from ksdiff_jax.models.student.network import Answers
from ksdiff_jax.models.student.phoneme_classes import CLASS_OF, CLASSES, phoneme_classes
from ksdiff_jax.models.student.system import Student
from ksdiff_jax.models.student.teacher import with_teacher
from ksdiff_jax.models.student.training import teacher_terms
from ksdiff_jax.overrides import load_config, override
from ksdiff_jax.tree import parameter_count
from tests.data.clips import make_clip
from tests.models.ksdiff.conftest import random_batch
from tests.models.student.conftest import TEACHER_WIDTH, TINY
from tests.speech.tiny_student import LAYOUT
from tests.speech.tiny_whisper_encoder import LAYOUT as WHISPER
from tests.speech.tiny_whisper_encoder import write_folder

FRAMES = 20
UNSEEN = LAYOUT.ahead_frames + 1  # at the end of a cut


def targets_of(clip):
    """Targets of which each tells its clip and its frame."""
    frame = np.arange(2 * clip.frames)[:, None] + np.zeros(TEACHER_WIDTH)
    return frame.astype(np.float32)


def row(clip, *, seed=None, **fields):
    config = override(TINY, fields)
    rng = None if seed is None else np.random.default_rng(seed)
    return Student(config).example(clip, FRAMES, rng=rng, features=targets_of(clip))


def test_a_row_has_the_sound_the_targets_and_the_phonemes_of_one_cut():
    clip = make_clip(1, frames=50)
    found = row(clip, seed=3)
    start = int(found.target[0, 0]) // 2
    assert 0 < start < 30 and found.mask.all()
    sound = from_int16(clip.audio)[SAMPLES_PER_MOTION_FRAME * start :]
    np.testing.assert_array_equal(found.audio, sound[: SAMPLES_PER_MOTION_FRAME * FRAMES])
    np.testing.assert_array_equal(found.target[:, 0], 2 * start + np.arange(2 * FRAMES))
    np.testing.assert_array_equal(found.phonemes, phoneme_classes(clip)[2 * start :][: 2 * FRAMES])
    # What lacks its look-ahead is not scored, unless the clip ends there.
    assert found.scored.tolist() == [True] * (2 * FRAMES - UNSEEN) + [False] * UNSEEN
    whole = row(make_clip(2, frames=FRAMES))
    assert whole.scored.all()
    short = row(make_clip(2, frames=12), seed=1)
    assert short.scored.tolist() == short.mask.tolist() == [True] * 24 + [False] * 16


def test_sound_is_changed_in_training_alone_and_its_targets_never():
    clip = make_clip(1, frames=FRAMES)
    noisy = {"data.augment": dataclasses.asdict(AugmentConfig(noise=1.0, gain_db=(-6.0, -6.0)))}
    clean, changed = row(clip, **noisy), row(clip, seed=0, **noisy)
    np.testing.assert_array_equal(clean.audio, from_int16(clip.audio))
    assert np.abs(changed.audio - clean.audio).max() > 0.01
    np.testing.assert_array_equal(changed.target, clean.target)


def test_a_row_without_features_of_a_teacher_is_refused():
    with pytest.raises(InputError, match=r"clip 'clip-1': no features of a teacher; train"):
        Student(TINY).example(make_clip(1), FRAMES)


def test_the_class_of_a_frame_is_that_of_the_phoneme_in_its_middle():
    clip = make_clip(1, frames=25)  # ʃ until 0.1 s, aː until 0.4 s
    expected = [CLASS_OF["ʃ"]] * 5 + [CLASS_OF["a"]] * 15 + [CLASS_OF[""]] * 30
    assert phoneme_classes(clip).tolist() == expected
    assert set(phoneme_classes(dataclasses.replace(clip, phonemes=()))) == {-1}
    assert CLASS_OF["p"] == CLASS_OF["m"] != CLASS_OF["f"] and len({*CLASS_OF.values()}) == CLASSES


def test_the_terms_are_the_mean_error_and_the_mean_surprise_of_the_scored_frames():
    unknown = make_clip(3, frames=16, phonemes=())
    rows = [row(make_clip(1, frames=50), seed=3), row(make_clip(2, frames=12)), row(unknown)]
    batch, random = collate(rows), np.random.default_rng(0)
    answers = Answers(
        random.normal(size=(3, 2 * FRAMES, TEACHER_WIDTH)).astype(np.float32),
        random.normal(size=(3, 2 * FRAMES, CLASSES)).astype(np.float32),
    )
    on_device = jax.tree.map(jnp.asarray, (answers, batch))
    terms = teacher_terms(*on_device, config=TINY)
    for i, count in enumerate([2 * FRAMES - UNSEEN, 24, 32]):
        frames = range(count)
        error = [np.mean((answers.teacher[i, f] - batch.target[i, f]) ** 2) for f in frames]
        assert terms["teacher"][i] == pytest.approx(0.75 * np.mean(error), rel=1e-5)
        chances = np.exp(answers.phonemes[i]) / np.exp(answers.phonemes[i]).sum(-1, keepdims=True)
        surprise = [-np.log(chances[f, batch.phonemes[i, f]]) for f in frames if i < 2]
        expected = 0.25 * np.mean(surprise) if surprise else 0.0
        assert terms["phonemes"][i] == pytest.approx(expected, rel=1e-4)


def test_the_head_of_phonemes_exists_only_with_its_loss():
    assert Student(TINY).network.names_phonemes
    off = override(TINY, {"loss.phonemes": "0"})
    assert jax.eval_shape(Student(off).init, jax.random.key(0)).keys() == {"encoder", "head"}


def test_it_samples_nothing_and_says_what_it_is_for():
    speech, keys = random_batch(4).speech, jax.random.split(jax.random.key(0), 2)
    with pytest.raises(InputError, match=r"^tiny: a student is a speech encoder and generates no"):
        Student(TINY).sample({}, speech, keys, jnp.zeros(2, jnp.int32))
    with pytest.raises(InputError, match=r"train\.samples_every 5: need 0"):
        dataclasses.replace(TINY, train=TrainConfig(samples_every=5))


def test_the_teacher_is_written_into_the_configuration_and_another_one_is_refused(tmp_path):
    folder = write_folder(tmp_path / "whisper")
    config, teacher = with_teacher(override(TINY, {"model.teacher.path": str(folder)}))
    found = config.model.teacher
    assert (found.width, found.digest) == (WHISPER.hidden_size, teacher.digest)
    assert with_teacher(config)[0] == config == config_from_dict(to_dict(config))
    head = jax.eval_shape(Student(config).init, jax.random.key(0))["head"]["kernel"]
    assert head.shape == (LAYOUT.hidden_size, WHISPER.hidden_size)
    for path, match in (
        ("", "model.teacher.path is empty"),
        (str(tmp_path / "gone"), "model.teacher.path: .*gone: no such folder"),
    ):
        with pytest.raises(InputError, match=match) as caught:
            with_teacher(override(config, {"model.teacher.path": path}))
        assert "\n" not in str(caught.value)
    another = override(config, {"model.teacher.digest": "0" * 64})
    with pytest.raises(InputError, match=r"the student was trained with 000000000000; name that"):
        with_teacher(another)


def test_its_configuration_is_stored_and_read_back_and_is_small():
    config = load_config("student")
    assert config_from_dict(to_dict(config)) == config
    shapes = jax.eval_shape(build_system(config).init, jax.random.key(0))
    assert parameter_count(shapes["encoder"]) < 4_000_000
    assert with_teacher(load_config("demo")) == (load_config("demo"), None)
