"""Conversion of SyncNet's weights: one for one, by names, shapes and axes, and every other file has
its own message.
"""

import json
import pickle

import jax
import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.syncnet.folder import convert_syncnet, converted_syncnet, load_syncnet
from ksdiff_jax.models.syncnet.network import SyncNet
from ksdiff_jax.models.syncnet.origins import Origin, origins
from ksdiff_jax.tree import named_leaves
from tests.foreign.torch_writer import plain_tensors, pretend_torch, write_legacy, write_zipped


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    pretend_torch(monkeypatch)


def ones() -> dict[str, np.ndarray]:
    """Weights of the right shapes, which take no memory."""
    one = np.float32(1)
    return {origin.key: np.broadcast_to(one, origin.shape) for origin in origins().values()}


def test_every_parameter_of_the_network_has_one_weight_of_the_original_and_its_own_shape():
    pictures = jax.ShapeDtypeStruct((6, 224, 224, 3), np.float32)
    windows = jax.ShapeDtypeStruct((2, 13, 20), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    (lips, sound), variables = jax.eval_shape(SyncNet().init_with_output, key, pictures, windows)
    assert lips.shape == sound.shape == (2, 1024)
    shapes = {name: leaf.shape for name, leaf in named_leaves(variables["params"]).items()}
    places = origins()
    assert shapes == {name: origin.ours for name, origin in places.items()}
    keys = [origin.key for origin in places.values()]
    assert len(set(keys)) == len(keys) == 2 * (6 * 6 + 8)


def test_a_kernel_has_its_axes_first_then_inputs_and_outputs():
    theirs = np.random.default_rng(0).standard_normal((4, 3, 1, 2, 5)).astype(np.float32)
    ours = Origin("a", theirs.shape, (2, 5, 3, 4)).converted(theirs)
    assert ours.shape == (2, 5, 3, 4)
    assert ours[1, 4, 2, 3] == theirs[3, 2, 0, 1, 4]
    assert ours[0, 3, 1, 0] == theirs[0, 1, 0, 0, 3]
    assert (
        Origin("a", (4, 3), (3, 4)).converted(theirs[:, :, 0, 0, 0])[2, 1] == theirs[1, 2, 0, 0, 0]
    )


def without(weights, key):
    return {name: weight for name, weight in weights.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "netfcaud.3.bias"), "1 weights are missing, first 'netfcaud.3.bias'"),
        (lambda w: w | {"extra.weight": np.ones(1)}, "1 weights are unknown, first 'extra.weight'"),
        (
            lambda w: w | {"netfclip.3.weight": np.ones((512, 512), np.float32)},
            r"netfclip.3.weight has shape \(512, 512\), its layout has \(1024, 512\)",
        ),
        (
            lambda w: w | {"netcnnaud.1.running_var": np.full(64, -1, np.float32)},
            "netcnnaud.1.running_var has a negative variance",
        ),
        (
            lambda w: w | {"netcnnaud.0.bias": np.full(64, np.nan, np.float32)},
            "netcnnaud.0.bias holds NaN",
        ),
        (
            lambda w: {f"module.{name}": weight for name, weight in w.items()},
            "as DataParallel saves them",
        ),
    ],
)
def test_weights_of_anything_else_are_refused_in_one_line(change, message):
    with pytest.raises(InputError, match=message) as caught:
        converted_syncnet(change(ones()), source="a.model")
    assert "\n" not in str(caught.value)


class Intruder:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


@pytest.mark.parametrize("write", [write_zipped, write_legacy])
def test_code_in_a_file_never_runs_and_the_command_ends_with_status_two(write, tmp_path, capsys):
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Intruder(mark))).close()
    assert mark.exists(), "the control: Python's own reader runs it"
    mark.unlink()
    source = write(tmp_path / "bad.model", {"netcnnaud.0.weight": Intruder(mark)}, [])
    assert main(["convert", "syncnet", str(source), "--out", str(tmp_path / "out")]) == 2
    assert "nothing of it was run" in capsys.readouterr().err
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow  # 54 MB, written, read and digested
def test_a_converted_folder_is_loaded_as_it_was_written_and_described_and_damage_is_found(
    tmp_path, capsys
):
    weights = {name: np.array(weight) for name, weight in ones().items()}
    weights["netfcaud.3.bias"] = np.arange(1024, dtype=np.float32)
    counters = {"netcnnaud.1.num_batches_tracked": np.array(7)}
    source = write_zipped(tmp_path / "a.model", *plain_tensors(weights | counters))
    out = tmp_path / "out"
    assert main(["convert", "syncnet", str(source), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    loaded = load_syncnet(out)
    assert loaded.params["sound"]["dense_1"]["bias"][1023] == 1023
    assert loaded.source == "a.model"
    assert loaded.digest == printed["digest"]
    assert main(["inspect", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "SyncNet"
    assert facts["parameters"] == printed["parameters"] == sum(map(np.size, weights.values()))

    stored = out / "weights.safetensors"
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    with pytest.raises(InputError, match="do not have the digest"):
        load_syncnet(out)
    (out / "config.json").write_text('{"schema": "ksdiff-encoder/1"}')
    with pytest.raises(InputError, match="holds 'ksdiff-encoder/1', need a converted syncnet"):
        load_syncnet(out)
    with pytest.raises(InputError, match="no such file"):
        convert_syncnet(tmp_path / "absent", tmp_path / "b")
    with pytest.raises(InputError, match="not a converted syncnet"):
        load_syncnet(tmp_path)
