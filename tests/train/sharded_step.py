"""Run in a separate process: the gradient and the step of one batch on meshes of eight fake
devices, as JSON.

python -m tests.train.sharded_step toy,looped,ksdiff,ksdiff_looped 8x1x1 2x4x1 ...
"""

import dataclasses
import json
import sys

import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)

import flax.linen as nn  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import AxisType  # noqa: E402

from ksdiff_jax.config import Config, DataConfig, MeshConfig  # noqa: E402
from ksdiff_jax.data.batch import Batch  # noqa: E402
from ksdiff_jax.layers.dense import Dense  # noqa: E402
from ksdiff_jax.layers.execution import Execution  # noqa: E402
from ksdiff_jax.layers.stack import apply_layers  # noqa: E402
from ksdiff_jax.models import build_system  # noqa: E402
from ksdiff_jax.models.ksdiff.losses import spectral_loss  # noqa: E402
from ksdiff_jax.models.system import System  # noqa: E402
from ksdiff_jax.motion.space import MOTION_DIMS  # noqa: E402
from ksdiff_jax.parallel.arrays import batch_sharding, global_batch, replicated  # noqa: E402
from ksdiff_jax.parallel.collectives import collectives  # noqa: E402
from ksdiff_jax.parallel.mesh import MESH_AXES, make_mesh  # noqa: E402
from ksdiff_jax.parallel.rules import RULES, parameter_shardings  # noqa: E402
from ksdiff_jax.train.feed import ValidationBatch  # noqa: E402
from ksdiff_jax.train.optimizer import make_optimizer  # noqa: E402
from ksdiff_jax.train.state import abstract_state  # noqa: E402
from ksdiff_jax.train.steps import loss_gradient, make_train_step, make_validation_step  # noqa: E402
from ksdiff_jax.train.validation import validation_losses  # noqa: E402
from ksdiff_jax.tree import named_leaves, parameter_count  # noqa: E402
from tests.models.ksdiff.conftest import TINY, lively, random_batch  # noqa: E402
from tests.train.tiny_ksdiff import without_randomness  # noqa: E402
from tests.train.toy import ToySystem, toy_batch, toy_config  # noqa: E402


def toy() -> tuple[System, Batch]:
    config = toy_config()
    return ToySystem(dataclasses.replace(config, data=DataConfig(batch_size=16))), toy_batch(0, 16)


class Residual(nn.Module):
    """A pair of matrices on the features of the toy."""

    @nn.compact
    def __call__(self, x, _):
        return x + Dense(8, name="down")(nn.tanh(Dense(16, name="up")(x)))


class Looped(nn.Module):
    """Three layers in a loop, then 64 numbers."""

    def setup(self):
        self.layers = [Residual() for _ in range(3)]
        self.last = Dense(64)

    def __call__(self, x):
        return self.last(
            apply_layers(self.layers, Residual.__call__, x, execution=Execution(scan_layers=True))[
                -1
            ]
        )


class LoopedSystem(ToySystem):
    """The toy with `Looped` for its two matrices."""

    def init(self, key):
        return Looped().init(key, np.zeros((1, 1, 8), np.float32))["params"]

    def motion(self, params, speech):
        return Looped().apply({"params": params}, jnp.tile(speech.prosody[:, ::2], (1, 1, 4)))[
            ..., :MOTION_DIMS
        ]


def looped() -> tuple[System, Batch]:
    system, batch = toy()
    return LoopedSystem(system.config), batch


def ksdiff(*, looped: bool = False) -> tuple[System, Batch]:
    # One of each kind of layer, or one loop: it is compiled twice, once for eight devices.
    model = dataclasses.replace(
        TINY.model,
        keyframes=dataclasses.replace(TINY.model.keyframes, enabled=False),
        transcript=dataclasses.replace(TINY.model.transcript, enabled=False),
        generator=dataclasses.replace(
            TINY.model.generator, dual_path=False, layers=3 if looped else 1
        ),
        speech_paths=dataclasses.replace(TINY.model.speech_paths, dilations=(1,)),
    )
    train = dataclasses.replace(TINY.train, scan_layers=looped)
    config: Config = without_randomness(dataclasses.replace(TINY, model=model, train=train))
    batch = jax.device_get(random_batch(12, batch=8))
    mask = np.arange(12) < np.array([12, 9, 12, 12, 7, 12, 10, 12])[:, None]
    return build_system(config), batch._replace(speech=batch.speech._replace(mask=mask))


def gradient_on(mesh: jax.sharding.Mesh, system: System, params, batch: Batch):
    """(loss, {name: gradient}) on a mesh."""
    with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
        shardings = parameter_shardings(params, mesh)
        function = loss_gradient(system, {}, shardings)
        keys = jax.random.split(jax.random.key(1), len(batch.motion))
        jitted = jax.jit(
            lambda params, batch: function(params, batch, keys),
            in_shardings=(shardings, batch_sharding(mesh)),
            out_shardings=((replicated(mesh), replicated(mesh)), shardings),
        )
        (loss, _), gradient = jitted(jax.device_put(params, shardings), global_batch(batch, mesh))
        return float(loss), jax.device_get(named_leaves(gradient))


def traffic_on(mesh: jax.sharding.Mesh, system: System, batch: Batch) -> dict:
    """Collectives of the whole step."""
    with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
        optimizer = make_optimizer(system.config.train)
        abstract = abstract_state(system, optimizer, mesh)
        step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
        return collectives(step.lower(abstract, global_batch(batch, mesh)).compile().as_text())


def validation_errors() -> dict:
    """By number of clips: the validation loss on eight devices, and on one, against the mean over
    clips that are computed one by one.
    """
    system, _ = toy()
    params = system.init(jax.random.key(0))
    rows = ragged_validation_clips()

    def step_on(mesh):
        abstract = abstract_state(system, make_optimizer(system.config.train), mesh)
        return make_validation_step(system, abstract=abstract, mesh=mesh)

    def loss(step, batches, mesh):
        with jax.set_mesh(mesh):
            there = jax.device_put(params, parameter_shardings(params, mesh))
            found = validation_losses(step, there, batches, mesh)
        assert found["loss"] == found["reconstruction"]
        return found["loss"]

    single = jax.make_mesh(
        (1, 1, 1), MESH_AXES, axis_types=(AxisType.Auto,) * 3, devices=jax.devices()[:1]
    )
    meshes = {"1": single, "8": make_mesh(MeshConfig(data=2, fsdp=4, tensor=1))}
    steps = {name: step_on(mesh) for name, mesh in meshes.items()}
    alone = [loss(steps["1"], [ValidationBatch(batch, [name])], single) for name, batch in rows]
    errors = {}
    for count in (1, 3, 9, 32):
        batches = in_batches(rows[:count])
        errors[str(count)] = {
            name: abs(loss(steps[name], batches, mesh) / np.mean(alone[:count]) - 1)
            for name, mesh in meshes.items()
        }
    return errors


def ragged_validation_clips() -> list[tuple[str, Batch]]:
    """Thirty-two clips of one to four valid frames, each as a batch of one."""
    batch = toy_batch(10_001, 32)
    mask = np.arange(4) < 1 + (np.arange(32) * 7 % 4)[:, None]
    batch = batch._replace(speech=batch.speech._replace(mask=mask))
    return [(f"clip-{i}", jax.tree.map(lambda a, i=i: a[i : i + 1], batch)) for i in range(32)]


def in_batches(clips: list[tuple[str, Batch]], rows: int = 8) -> list[ValidationBatch]:
    """As data/loader.py has them: eight rows each, the last batch filled with copies."""
    batches = []
    for first in range(0, len(clips), rows):
        names, some = zip(*clips[first : first + rows], strict=True)
        filled = [*some, *[some[-1]] * (rows - len(some))]
        whole = jax.tree.map(lambda *parts: np.concatenate(parts), *filled)
        batches.append(ValidationBatch(whole, names))
    return batches


def spectrum_traffic() -> dict:
    """Collectives of the gradient of a spectral loss, whose batch is split."""
    mesh = make_mesh(MeshConfig(data=2, fsdp=4, tensor=1))
    signals, mask = np.ones((2, 8, 16, 3), np.float32), np.ones((8, 16), bool)
    with jax.set_mesh(mesh):
        batch = batch_sharding(mesh)

        def loss(prediction, target, mask):
            return spectral_loss(prediction, target, mask, windows=(8,)).mean()

        jitted = jax.jit(jax.grad(loss), in_shardings=(batch,) * 3, out_shardings=batch)
        found = collectives(jitted.lower(*signals, mask).compile().as_text())
    return {kind: traffic._asdict() for kind, traffic in found.items()}


def on_meshes(name: str, meshes: list[str]) -> dict:
    """How one system does on several meshes, beside one device."""
    systems = {
        "toy": toy,
        "looped": looped,
        "ksdiff": ksdiff,
        "ksdiff_looped": lambda: ksdiff(looped=True),
    }
    system, batch = systems[name]()
    shapes = jax.eval_shape(system.init, jax.random.key(0))
    params = lively(jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes))
    single = jax.make_mesh(
        (1, 1, 1), MESH_AXES, axis_types=(AxisType.Auto,) * 3, devices=jax.devices()[:1]
    )
    loss, expected = gradient_on(single, system, params, batch)
    largest = max(np.abs(leaf).max() for leaf in expected.values())
    results = {"parameters": parameter_count(params)}
    for shape in meshes:
        mesh = make_mesh(MeshConfig(*map(int, shape.split("x"))))
        found_loss, found = gradient_on(mesh, system, params, batch)
        errors = {
            leaf: float(np.abs(found[leaf] - value).max() / (np.abs(value).max() + 1e-3 * largest))
            for leaf, value in expected.items()
        }
        results[shape] = {"loss_error": abs(found_loss / loss - 1), "gradient_errors": errors}
        if not name.startswith("ksdiff") and min(mesh.devices.shape) == 1 == mesh.shape["tensor"]:
            results[shape]["traffic"] = {
                k: v._asdict() for k, v in traffic_on(mesh, system, batch).items()
            }
    return results


if __name__ == "__main__":
    names, *meshes = sys.argv[1:]
    results = {name: on_meshes(name, meshes) for name in names.split(",")}
    others = {"spectrum": spectrum_traffic()}
    if "toy" in results:
        others["validation"] = validation_errors()
    json.dump(results | others, sys.stdout)
