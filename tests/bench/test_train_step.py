"""`ksdiff-jax bench train`: the torch reference is the same model, and the script for an
accelerator runs on a bare machine.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.bench import train_step as bench_train
from ksdiff_jax.bench.train_apart import torch_apart
from ksdiff_jax.bench.train_grouped import two_forms
from ksdiff_jax.bench.train_paper import made_up_batch, measure_paper, paper_config
from ksdiff_jax.bench.train_plan import expected_step, paper_counts, plan
from ksdiff_jax.bench.train_step import compare, our_draws, parity_error, torch_model, torch_step
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.overrides import override
from ksdiff_jax.tree import named_leaves
from tests.train.tiny_ksdiff import tiny_config

ROOT = Path(__file__).parents[2]
# Sizes that differ wherever a mix-up of axes could hide, and both speech strides at work.
SMALL = override(
    tiny_config(""),
    {
        "model.width": 32,
        "model.heads": 4,
        "model.encoder.width": 24,
        "model.speech_paths.dilations": (1, 2),
        "model.speech_paths.context_s": 0.5,
        "model.transcript.max_tokens": 12,
        "model.dropout": 0.0,
        "model.jaw_path": "expression",
        "loss.lip_gap": 0.5,
        "data.clip_frames": 40,
        "data.batch_size": 3,
    },
)


@pytest.mark.slow
def test_two_paths_grouped_are_two_paths_in_turn():
    forms, arguments = two_forms(SMALL, clips=2, frames=12)
    params, *arrays = arguments
    random = np.random.default_rng(0)  # what starts at zero hides what is before it
    arguments = (
        jax.tree.map(lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape), params),
        *arrays,
    )
    (value, found), (expected_value, expected) = (
        jax.jit(jax.value_and_grad(forms[name]))(*arguments) for name in ("grouped", "separate")
    )
    np.testing.assert_allclose(value, expected_value, rtol=1e-5)
    found, expected = named_leaves(found), named_leaves(expected)
    for name, leaf in expected.items():
        np.testing.assert_allclose(
            found[name], leaf, atol=1e-4 * max(1.0, np.abs(leaf).max()), err_msg=name
        )
    assert (
        np.abs(expected["params/noisy/kernel"][0] - expected["params/noisy/kernel"][1]).max() > 1e-3
    )


def a_batch(config, *, padded: bool):
    batch, normal = made_up_batch(config, clips=3, frames=40, features=False)
    if padded:
        valid = np.arange(40) < np.array([40, 31, 17])[:, None]
        speech = batch.speech._replace(
            audio=batch.speech.audio * np.repeat(valid, SAMPLES_PER_MOTION_FRAME, axis=1),
            prosody=batch.speech.prosody * np.repeat(valid, 2, axis=1)[..., None],
            mask=valid,
            token_mask=np.arange(12) < np.array([12, 7, 2])[:, None],
        )
        batch = batch._replace(speech=speech)
    return batch, normal


def fresh_params(config):
    """Random everywhere: what starts at zero would hide a difference behind it."""
    params = jax.jit(build_system(config).init)(jax.random.key(0))
    leaves, tree = jax.tree.flatten(params)
    draw = np.random.default_rng(5)
    return jax.tree.unflatten(
        tree, [leaf + 0.05 * draw.standard_normal(leaf.shape, np.float32) for leaf in leaves]
    )


@pytest.mark.parity
@pytest.mark.parametrize("padded", [False, True])
def test_the_torch_reference_has_our_loss(padded):
    pytest.importorskip("torch")
    assert parity_error(SMALL, fresh_params(SMALL), *a_batch(SMALL, padded=padded)) < 1e-5


@pytest.mark.parity
def test_the_torch_reference_has_our_gradient():
    torch = pytest.importorskip("torch")
    from ksdiff_jax.bench.torch_layers import torch_layout
    from ksdiff_jax.bench.train_step import as_tensors

    params, (batch, normal) = fresh_params(SMALL), a_batch(SMALL, padded=True)
    keys = bench_train.clip_keys(batch)

    def loss(params, batch, normal):
        terms = build_system(SMALL).loss(params, batch, keys, train=True)
        return sum(terms.values()).mean()

    ours = named_leaves(jax.jit(jax.grad(loss))(params, batch, normal))
    model = torch_model(SMALL, params, normal)
    model.loss(as_tensors(batch), our_draws(SMALL, batch, keys)).backward()
    scale = max(float(np.abs(gradient).max()) for gradient in ours.values())
    for name, gradient in ours.items():
        theirs = (
            torch.zeros(())
            if model.layers.weights[name].grad is None
            else model.layers.weights[name].grad
        )
        expected = torch_layout(name, np.asarray(gradient))
        np.testing.assert_allclose(
            np.broadcast_to(theirs.numpy(), expected.shape), expected, atol=2e-5 * scale
        )


@pytest.mark.parity
def test_the_torch_reference_learns():
    pytest.importorskip("torch")
    config = override(SMALL, {"train.learning_rate": 3e-3})
    batch, normal = a_batch(config, padded=False)
    model = torch_model(config, fresh_params(config), normal)
    step = torch_step(model, batch, threads=1)
    draws = our_draws(config, batch, bench_train.clip_keys(batch))
    tensors = bench_train.as_tensors(batch)
    before = float(model.loss(tensors, draws).detach())
    for _ in range(20):
        step()
    assert float(model.loss(tensors, draws).detach()) < 0.8 * before


def test_steps_are_compared_in_turn_and_by_neighbours():
    order = []
    result = compare(
        lambda: order.append("ours"), lambda: order.append("torch"), repeats=3, warm_up=2
    )
    assert order == ["ours", "ours", "torch", "torch", *(["ours", "torch"] * 3)]
    assert result["ratio_lowest"] <= result["ratio"] <= result["ratio_highest"]
    assert "ratio" not in compare(lambda: None, None, repeats=2)


@pytest.mark.slow
def test_torch_steps_in_a_process_of_its_own_and_its_end_is_told(tmp_path):
    pytest.importorskip("torch")
    work = (SMALL, fresh_params(SMALL), *a_batch(SMALL, padded=False))
    with torch_apart(*work, threads=1, folder=tmp_path) as step:
        step()
        step()
    with (
        torch_apart(*work, threads=-1, folder=tmp_path) as step,
        pytest.raises(InputError, match="ended with"),
    ):
        step()


def test_the_paper_configuration_is_the_one_in_configs_with_half_the_bits():
    from ksdiff_jax.overrides import load_config

    published = load_config(str(ROOT / "configs" / "paper.py"))
    published = override(published, {"model.compute_dtype": "bfloat16", "model.encoder.path": ""})
    assert paper_config() == published


@pytest.mark.slow
def test_the_paper_step_is_traced_where_most_packages_are_missing():
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bare_train_machine"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["dtype"] == "bfloat16" and {"loss", "grad_norm", "head/velocity"} <= set(
        report["metrics"]
    )


@pytest.mark.long
def test_the_paper_line_has_its_figures():
    from tests.bench.bare_train_machine import tiny

    line = measure_paper(repeats=1, config=tiny(paper_config()), clips=2, frames=32)
    assert line["ms_fastest"] <= line["ms_per_step"] <= line["ms_slowest"]
    assert line["mfu"] is None and line["tflop_per_step"] >= 0 and np.isfinite(line["first_loss"])
    assert (
        line["two_paths"].keys() == {"separate_s", "grouped_s", "ratio"}
        and line["two_paths"]["ratio"] > 0
    )
    assert line["scan_layers"] is False and line["scan_layers_changed"]["ms_per_step"] > 0


@pytest.mark.long
def test_without_torch_our_side_is_measured_alone_and_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(bench_train, "around_the_step", lambda config, folder: {"data_wait": 0.0})
    report = bench_train.measure(argparse.Namespace(repeats=1, threads=1), config=tiny_config(""))
    assert (
        "not installed" in report["torch"] and report["steps_per_s"] > 0 and "ratio" not in report
    )


@pytest.mark.slow
def test_the_plan_says_what_its_equations_say_and_launch_shows_it():
    expected = expected_step("H200", 4, clip_flops=1e12, parameters=10**8, clips=10.0)
    compute_s = 10 * 1e12 / (0.28 * 989e12)
    inside_s = 2 * 7 / 8 * 4e8 / (0.75 * 450e9)
    between_s = 2 * 3 / 4 * (4e8 / 8) / (0.75 * 50e9)
    latency_s = 24 * (20e-6 + 2 * 8e-6)
    assert expected.devices == 32 and expected.compute_s == pytest.approx(compute_s)
    assert expected.step_s == pytest.approx(compute_s + inside_s + between_s + latency_s)
    assert expected.overlapped_s == pytest.approx(compute_s)
    alone = expected_step("TPU v5e", 1, clip_flops=1e12, parameters=0, clips=10.0)
    assert alone.efficiency == pytest.approx(1.0, abs=0.01)  # latency alone
    clip_flops, parameters = paper_counts()
    assert (
        plan(clip_flops=clip_flops, parameters=parameters)
        in (ROOT / "launch" / "README.md").read_text()
    )
