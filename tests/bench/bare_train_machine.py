"""A process without the packages that training on kept features does not need: imports of them
fail.

Run by test_bench_train.py: traces the step of `bench train --paper` with a tiny configuration and
prints the names of its metrics.
"""

import dataclasses
import json
import sys

MISSING = {
    *(
        "grain",
        "librosa",
        "av",
        "soxr",
        "numba",
        "tensorflow_datasets",
        "tensorflow",
        "tensorboardX",
    ),
    *(
        "google_crc32c",
        "transformers",
        "torch",
        "matplotlib",
        "safetensors",
        "huggingface_hub",
        "tqdm",
    ),
}


class Missing:
    """An import hook that knows nothing of `MISSING`."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def tiny(config):
    """The paper's configuration with everything small."""
    from tests.train.tiny_ksdiff import tiny_config

    layout = dataclasses.replace(
        config.model.encoder.architecture,
        **{
            "hidden_size": 32,
            "num_layers": 1,
            "num_heads": 2,
            "intermediate_size": 32,
            "conv_dims": (8,) * 7,
        },
        **{"position_kernel": 8, "position_groups": 2},
    )
    small = tiny_config("")
    encoder = dataclasses.replace(config.model.encoder, architecture=layout)
    model = dataclasses.replace(
        small.model, encoder=encoder, compute_dtype=config.model.compute_dtype
    )
    return dataclasses.replace(small, model=model)


if __name__ == "__main__":
    sys.meta_path.insert(0, Missing())
    import jax

    import ksdiff_jax.cli.bench
    from ksdiff_jax.bench.train_paper import made_up_batch, paper_config, training_program

    assert ksdiff_jax.cli.bench.EXAMPLES  # the command that dispatches to it must be there as well
    config = tiny(paper_config())
    batch, normal = made_up_batch(config, clips=2, frames=32)
    abstract, step = training_program(config, normal)
    _, metrics = jax.eval_shape(step, abstract, batch)
    print(json.dumps({"dtype": config.model.compute_dtype, "metrics": sorted(metrics)}))
