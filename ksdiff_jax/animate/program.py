"""A model as a folder that runs without this package: programs of `jax.export`, weights, a script.

| file | content |
|---|---|
| frames-N.jaxexport | the sampler for recordings of up to N motion frames, any batch size |
| frames-N.onnx, run_onnx.py | on request: the same for onnxruntime, one recording a call |
| weights.safetensors | every weight by name, also of the speech encoder: the first argument; as
float32, float16 or int8 with scales (`compact_weights.py`), which run.py makes float32 |
| manifest.json | schema "ksdiff-exported-model/1": inputs, outputs, options, digests, versions |
| run.py, prosody.py | the arrays of a recording to motion; a recording to these arrays |
| example.npz, README.md | arrays to try it on; what the arrays are |

A program is `System.sample` of one clip under `jax.vmap`, so its batch is symbolic and the model
needs no change. Its length is not: positions, strides and windows of the network are computed from
the number of frames when it is traced, so there is one program per padded length. The sampling
options are those of the animator. What the animator does to the motion afterwards is not in it:
blinks that are closed or drawn (`with_options(blinks="sampled", close_blinks=False)` does without).
"""

import hashlib
import importlib.resources
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax import __version__
from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.compact_weights import compacted
from ksdiff_jax.animate.onnx_form import need_onnx, onnx_model
from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_MOTION_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
)
from ksdiff_jax.audio.waveform import load_audio
from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.system import System
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.outputs import check_output_folder, writing_folder
from ksdiff_jax.ownership import EXPORTED_MODEL
from ksdiff_jax.speech.utterance import Speech, Utterance
from ksdiff_jax.tree import named_leaves, nested
from ksdiff_jax.typing import PyTree

SCHEMA = "ksdiff-exported-model/1"
FRAMES = (64, 128, 256, 512, 1024)  # padded lengths: 2.6 s to 41 s
PLATFORMS = ("cpu", "cuda", "tpu")
LONGEST_FRAMES = 4096
_ASSETS = ("run.py", "prosody.py")
_ONNX_SCRIPT = "run_onnx.py"


def export_model(
    animator: Animator,
    out: str | Path,
    *,
    frames: Sequence[int] = FRAMES,
    platforms: Sequence[str] = PLATFORMS,
    stored: str = "float32",
    onnx: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the folder of an animator's model, complete or not at all, and return its path.

    `frames` are the padded lengths in motion frames at 25 Hz, one program each. `stored` is the
    kind of the stored weights, one of `compact_weights.KINDS`. `onnx` adds ONNX models, whose
    weights are float32 (`onnx_form.py`). Raise `InputError` for a length out
    of range, weights of an unknown kind or beyond float16, without the package flatbuffers, or if
    `out` may not be written.
    """
    lengths = _lengths(frames)
    _need_flatbuffers()
    if onnx:
        need_onnx()
    inputs = [animator.pretrained.path]
    check_output_folder(out, EXPORTED_MODEL, overwrite=overwrite, inputs=inputs)
    from safetensors.numpy import save_file

    weights = {
        name: np.require(leaf, np.float32, "C")
        for name, leaf in named_leaves(animator.pretrained.params).items()
    }
    kept = compacted(weights, stored)
    with writing_folder(out, EXPORTED_MODEL, overwrite=overwrite, inputs=inputs) as folder:
        save_file(kept, folder / "weights.safetensors")
        system, programs = animator.engine.system, []
        for done, length in enumerate(lengths):
            programs.append(_write_program(folder, system, weights, length, platforms))
            if onnx:
                model = onnx_model(system, weights, _inputs(system, length))
                (folder / f"frames-{length}.onnx").write_bytes(model)
            progress(done + 1, len(lengths))
        _write_example(folder / "example.npz", animator, longest=lengths[-1])
        for name in (*_ASSETS, *([_ONNX_SCRIPT] if onnx else [])):
            (folder / name).write_text(_asset(name), encoding="utf-8")
        manifest = _manifest(animator, programs, platforms)
        manifest["weights"] = stored
        manifest["weights_sha256"] = hashlib.sha256(
            (folder / "weights.safetensors").read_bytes()
        ).hexdigest()
        text = json.dumps(manifest, indent=1) + "\n"
        (folder / "manifest.json").write_text(text, encoding="utf-8")
        (folder / "README.md").write_text(_readme(manifest), encoding="utf-8")
    return Path(out)


def example_inputs(utterance: Utterance) -> dict[str, np.ndarray]:
    """Return the arrays that run.py reads, of one utterance."""
    return {
        "audio": utterance.audio,
        "prosody": utterance.prosody,
        "noise_id": np.array(utterance.noise_id),
    }


def _lengths(frames: Sequence[int]) -> list[int]:
    lengths = sorted(set(frames))
    if not lengths or lengths[0] < 1 or lengths[-1] > LONGEST_FRAMES:
        raise InputError(
            f"lengths {' '.join(map(str, frames))}: need motion frames from 1 to {LONGEST_FRAMES}"
        )
    return lengths


def _write_program(
    folder: Path, system: System, weights: PyTree, frames: int, platforms: Sequence[str]
) -> dict:
    """Write the program for `frames` motion frames and return what the manifest has of it."""
    program = _exported(system, weights, frames, platforms)
    name = f"frames-{frames}.jaxexport"
    (folder / name).write_bytes(program)
    return {"file": name, "frames": frames, "sha256": hashlib.sha256(program).hexdigest()}


def _need_flatbuffers() -> None:
    try:
        import flatbuffers  # noqa: F401  the format of jax.export
    except ImportError as error:
        raise InputError(
            "export-model: jax.export needs the package flatbuffers to write its format; install "
            "'ksdiff-jax[export-model]'"
        ) from error


def _exported(system: System, weights: PyTree, frames: int, platforms: Sequence[str]) -> bytes:
    """Return the serialised program for `frames` motion frames."""
    from jax import export

    def clips(weights: PyTree, rows: PyTree) -> PyTree:
        params = nested(weights)

        def clip(row: PyTree) -> PyTree:
            one = jax.tree.map(lambda array: array[None], row)
            key = jax.random.wrap_key_data(one.pop("key"))
            sample = system.sample(params, Speech(**one), key, jnp.zeros(1, jnp.int32))
            outputs = {"motion": sample.motion, **sample.tracks}
            return jax.tree.map(lambda array: array[0], outputs)

        return jax.vmap(clip)(rows)

    (batch,) = export.symbolic_shape("b")
    rows = {
        name: jax.ShapeDtypeStruct((batch, *shape), dtype)
        for name, (shape, dtype) in _inputs(system, frames).items()
    }
    given = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in weights.items()}
    traced = export.export(jax.jit(clips), platforms=tuple(platforms))(given, rows)
    return bytes(traced.serialize())


def _inputs(system: System, frames: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of the inputs of one clip."""
    rows = SPEECH_FRAMES_PER_MOTION_FRAME * frames
    return {
        "audio": ((SAMPLES_PER_MOTION_FRAME * frames,), "float32"),
        "prosody": ((rows, 2), "float32"),
        "mask": ((frames,), "bool"),
        "tokens": ((system.config.transcript_tokens,), "int32"),
        "token_mask": ((system.config.transcript_tokens,), "bool"),
        "key": ((2,), "uint32"),
    }


def _write_example(path: Path, animator: Animator, *, longest: int) -> None:
    with importlib.resources.as_file(_assets() / "demo.wav") as recording:
        audio = load_audio(recording)
    audio = audio[: SAMPLES_PER_MOTION_FRAME * longest]
    np.savez(path, **example_inputs(animator.read(audio, sample_rate_hz=SAMPLE_RATE_HZ)))


def _assets() -> importlib.resources.abc.Traversable:
    return importlib.resources.files("ksdiff_jax") / "assets"


def _asset(name: str) -> str:
    file = _assets() / "exported" / f"{name.removesuffix('.py')}.txt"
    return file.read_text(encoding="utf-8")


def _manifest(animator: Animator, programs: list[dict], platforms: Sequence[str]) -> dict:
    system, longest = animator.engine.system, programs[-1]["frames"]
    return {
        "schema": SCHEMA,
        "checkpoint": animator.pretrained.digest,
        "checkpoint_name": animator.config.name,
        "space": animator.pretrained.space.name,
        "options": to_dict(system.config)["sample"],
        "programs": programs,
        "platforms": list(platforms),
        "tokens": system.config.transcript_tokens,
        "inputs_of_the_longest": {
            name: {"shape": ["b", *shape], "dtype": dtype}
            for name, (shape, dtype) in _inputs(system, longest).items()
        },
        "motion": {"shape": ["b", longest, MOTION_DIMS], "dtype": "float32", "fps": MOTION_RATE_HZ},
        "versions": {"ksdiff_jax": __version__, "jax": jax.__version__},
    }


def _readme(manifest: dict) -> str:
    lengths = ", ".join(str(program["frames"]) for program in manifest["programs"])
    inputs = "\n".join(
        f"| {name} | {' × '.join(map(str, about['shape']))} | {about['dtype']} |"
        for name, about in manifest["inputs_of_the_longest"].items()
    )
    return f"""# {manifest["checkpoint_name"] or "A model"} as programs of jax.export

Exported by ksdiff-jax {manifest["versions"]["ksdiff_jax"]} with jax {manifest["versions"]["jax"]}
from the checkpoint {manifest["checkpoint"][:12]}, for {", ".join(manifest["platforms"])}.

    pip install jax numpy flatbuffers
    python run.py example.npz motion.npz
    python prosody.py speech.wav inputs.npz        # also needs scipy and librosa

There is one program for each of {lengths} motion frames at 25 Hz. A clip is padded with zeros to
the next of them; `mask` marks its frames. A program takes the weights by name
(`weights.safetensors`) and these rows, b clips at once (shapes of the longest program):

| input | shape | type |
|---|---|---|
{inputs}

`audio` is at 16 kHz. `prosody` is at 50 Hz, see prosody.py. `tokens` are 1, the UTF-8 bytes of the
transcript + 3, and 2. `key` is the data of a key of jax.random (threefry). The outputs are `motion`
(b, t, {MOTION_DIMS}), coefficients of the {manifest["space"]} space, and the model's tracks. Blinks
are the model's own; ksdiff-jax may close them or draw others afterwards. JAX reads programs of
earlier versions for six months at least.
"""
