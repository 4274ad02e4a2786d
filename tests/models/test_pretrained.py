"""Checkpoint folders: round trips, and every fault that must be named."""

import json
import os

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models import pretrained as pretrained_module
from ksdiff_jax.models.ksdiff.config import Config, ModelConfig
from ksdiff_jax.models.pretrained import (
    _manifest_digest,
    find_pretrained,
    load_pretrained,
    save_pretrained,
)
from ksdiff_jax.motion.space import BUILTIN, MOTION_DIMS


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return {
        "encoder": {
            "kernel": rng.normal(size=(3, 4)).astype(np.float32),
            "bias": np.zeros(4, np.float32),
        },
        "scale": np.float32(2.5).reshape(()),
    }


@pytest.fixture
def statistics():
    return BUILTIN.with_statistics(
        np.linspace(-1, 1, MOTION_DIMS, dtype=np.float32), np.full(MOTION_DIMS, 0.1, np.float32)
    )


@pytest.fixture
def saved(tmp_path, params, statistics):
    config = Config(model=ModelConfig(width=32, heads=2), name="tiny")
    return save_pretrained(
        tmp_path / "ckpt", config=config, params=params, space=statistics, card="# Tiny\n"
    )


def flat(tree):
    return [tree["encoder"]["kernel"], tree["encoder"]["bias"], tree["scale"]]


def test_a_checkpoint_gives_back_config_weights_and_statistics_exactly(saved, params, statistics):
    loaded = load_pretrained(saved)
    assert loaded.config == Config(model=ModelConfig(width=32, heads=2), name="tiny")
    for got, want in zip(flat(loaded.params), flat(params), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(loaded.space.mean, statistics.mean)
    np.testing.assert_array_equal(loaded.space.std, statistics.std)


def test_float16_halves_the_file_and_comes_back_as_float32(tmp_path, statistics):
    params = {"kernel": np.random.default_rng(1).normal(size=(256, 256)).astype(np.float32)}
    sizes = {}
    for half in (False, True):
        folder = save_pretrained(
            tmp_path / str(half),
            config=Config(),
            params=params,
            space=statistics,
            float16=half,
        )
        sizes[half] = (folder / "weights.safetensors").stat().st_size
    loaded = load_pretrained(tmp_path / "True").params["kernel"]
    assert sizes[True] < 0.51 * sizes[False] + 500
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, params["kernel"].astype(np.float16).astype(np.float32))


def test_a_weight_beyond_float16_is_refused_when_saving(tmp_path, statistics):
    with pytest.raises(ValueError, match="beyond float16"):
        save_pretrained(
            tmp_path / "x",
            config=Config(),
            params={"a": np.float32([1e6])},
            space=statistics,
            float16=True,
        )
    assert not (tmp_path / "x").exists()


def test_the_digest_names_the_weights(tmp_path, saved, params, statistics):
    config = load_pretrained(saved).config
    same = save_pretrained(tmp_path / "same", config=config, params=params, space=statistics)
    params["encoder"]["bias"] = params["encoder"]["bias"] + 1e-7
    other = save_pretrained(tmp_path / "other", config=config, params=params, space=statistics)
    assert (
        load_pretrained(same).digest
        == load_pretrained(saved).digest
        != load_pretrained(other).digest
    )


def test_any_flipped_bit_of_any_weight_is_named(saved):
    path = saved / "weights.safetensors"
    sound = path.read_bytes()
    start = 8 + int.from_bytes(sound[:8], "little")
    rng = np.random.default_rng(2)
    for position in rng.integers(start, len(sound), size=25):
        broken = bytearray(sound)
        broken[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(InputError, match="is corrupt"):
            load_pretrained(saved)
    path.write_bytes(sound)
    load_pretrained(saved)


@pytest.mark.parametrize("cut", [0, 5, 100, -1])
def test_a_truncated_weight_file_is_an_input_error(saved, cut):
    path = saved / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="cannot be read"):
        load_pretrained(saved)


def test_a_header_that_claims_exabytes_is_an_input_error(saved):
    path = saved / "weights.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(InputError, match="cannot be read"):
        load_pretrained(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_named(tmp_path, params, statistics, value):
    params["encoder"]["bias"][2] = value
    folder = save_pretrained(
        tmp_path / "diverged", config=Config(), params=params, space=statistics
    )
    with pytest.raises(
        InputError,
        match="'encoder/bias' holds NaN or infinity in 1 of 4 values; its training diverged",
    ):
        load_pretrained(folder)


@pytest.mark.parametrize(("mean", "std"), [(np.nan, 0.1), (0.0, 0.0), (0.0, np.inf), (0.0, -1.0)])
def test_statistics_that_cannot_be_divided_by_are_named(tmp_path, params, mean, std):
    statistics = BUILTIN.with_statistics(np.full(MOTION_DIMS, mean), np.full(MOTION_DIMS, std))
    folder = save_pretrained(tmp_path / "odd", config=Config(), params=params, space=statistics)
    with pytest.raises(
        InputError, match="statistics hold NaN, infinity or a deviation that is not above 0"
    ):
        load_pretrained(folder)


@pytest.mark.parametrize("key", ["config", "statistics", "leaves"])
@pytest.mark.parametrize("value", [None, [], "text"])
def test_a_manifest_without_one_of_its_parts_is_one_line(saved, key, value):
    path = saved / "config.json"
    manifest = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps(manifest | {"digest": _manifest_digest(manifest)}))
    with pytest.raises(InputError, match=f"it lacks {key}"):
        load_pretrained(saved)


def test_a_pointer_in_place_of_the_weights_is_named(saved):
    (saved / "weights.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    )
    with pytest.raises(InputError, match="cannot be read: a Git LFS pointer"):
        load_pretrained(saved)


def test_another_schema_is_one_clear_line(saved):
    path = saved / "config.json"
    path.write_text(path.read_text().replace("ksdiff-checkpoint/1", "ksdiff-checkpoint/2"))
    with pytest.raises(
        InputError, match="schema 'ksdiff-checkpoint/2', this version reads"
    ) as caught:
        load_pretrained(saved)
    assert "\n" not in str(caught.value)


def test_edited_statistics_are_noticed(saved):
    path = saved / "config.json"
    manifest = json.loads(path.read_text())
    manifest["statistics"]["mean"][0] += 1
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="does not match its own digest"):
        load_pretrained(saved)


def test_a_training_workdir_stands_for_the_checkpoint_inside_it(tmp_path, saved):
    workdir = tmp_path / "run"
    workdir.mkdir()
    saved.rename(workdir / "pretrained")
    assert find_pretrained(workdir) == workdir / "pretrained"


def replaced_while_reading(monkeypatch, save, *, times):
    """A training run that exports anew after the reader has read the manifest, the first `times`
    times.
    """
    read, left = pretrained_module.read_manifest, list(range(1, times + 1))

    def read_then_replaced(folder):
        manifest = read(folder)
        if left:
            save(left.pop(0))
        return manifest

    monkeypatch.setattr(pretrained_module, "read_manifest", read_then_replaced)


@pytest.mark.parametrize("times", [1, 3])
def test_an_export_that_a_run_replaces_while_it_is_read_is_read_again(
    tmp_path, statistics, monkeypatch, times
):
    def save(number):
        kernel = {"kernel": np.full((4, 4), number, np.float32)}
        save_pretrained(tmp_path / "pretrained", config=Config(), params=kernel, space=statistics)

    save(0)
    replaced_while_reading(monkeypatch, save, times=times)
    assert load_pretrained(tmp_path).params["kernel"][0, 0] == times


def test_what_is_damaged_is_no_replacement_and_is_named(saved):
    (saved / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"weights\.safetensors: cannot be read"):
        load_pretrained(saved)


@pytest.mark.parametrize("name", ["pretrained", "other"])
def test_an_export_is_found_in_the_moment_in_which_it_is_replaced_and_after_a_kill_in_it(
    tmp_path, saved, params, statistics, name
):
    target = saved.rename(tmp_path / name)
    digest = load_pretrained(target).digest
    (tmp_path / f".{name}.old.x").mkdir()
    # files.py does so before the new one takes its place
    target.rename(tmp_path / f".{name}.old.x" / "folder")
    assert load_pretrained(tmp_path / name).digest == digest
    if name == "pretrained":
        assert load_pretrained(tmp_path).digest == digest
    save_pretrained(target, config=Config(), params=params, space=statistics)
    assert [path.name for path in tmp_path.iterdir()] == [name] and load_pretrained(
        target
    ).digest != digest


def test_what_is_no_checkpoint_is_said(tmp_path):
    with pytest.raises(InputError, match="not a checkpoint"):
        load_pretrained(tmp_path)
    with pytest.raises(InputError, match="no checkpoint 'nonesuch'"):
        load_pretrained("nonesuch")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="has exported no weights yet; resume it"):
        load_pretrained(tmp_path)


def test_a_name_of_any_bytes_is_kept_exactly(tmp_path, params, statistics):
    name = os.fsdecode(b"caf\xe9") + " 日本 $x$\n"
    folder = save_pretrained(
        tmp_path / os.fsdecode(b"\xff"),
        config=Config(name=name),
        params=params,
        space=statistics,
    )
    assert load_pretrained(folder).config.name == name
    json.loads((folder / "config.json").read_bytes().decode("utf-8"))
    (folder / "card.md").read_bytes().decode("utf-8")


def test_the_files_it_was_trained_on_are_known_where_they_were_recorded(
    tmp_path, params, statistics, saved
):
    extra = {"sources_digests": ["a" * 64, "b" * 64]}
    told = save_pretrained(
        tmp_path / "told", config=Config(), params=params, space=statistics, extra=extra
    )
    assert load_pretrained(told).sources == ("a" * 64, "b" * 64)
    assert load_pretrained(saved).sources is None
