"""Converts the weights of SyncNet from the original's PyTorch file, and loads the converted folder
(speech/converted_network.py).

The file is read without PyTorch, and code in it is never executed (`foreign.torch_file`).
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.torch_file import read_state_dict
from ksdiff_jax.models.syncnet.origins import NOT_A_WEIGHT, origins
from ksdiff_jax.outputs import check_output_folder
from ksdiff_jax.speech.converted_network import (
    SYNCNET_KIND,
    ConvertedNetwork,
    checked,
    converted,
    folder_kind,
    network_of,
    read_network,
    write_network,
)
from ksdiff_jax.typing import PyTree

NEEDED = "the weights of SyncNet, which this package does not have"
REMEDY = "give the authors' syncnet_v2.model to `ksdiff-jax convert syncnet`"


def convert_syncnet(
    source: str | Path, out: str | Path, *, overwrite: bool = False
) -> ConvertedNetwork:
    """Convert the original's file of weights into the folder `out`, which is complete or absent.

    A converted SyncNet of ours at `out` is replaced, other content only with `overwrite`. Raise
    `InputError` in one line for a file that is not SyncNet's.
    """
    source, out = Path(source), Path(out)
    check_output_folder(out, folder_kind(SYNCNET_KIND), overwrite=overwrite, inputs=[source])
    if not source.is_file():
        raise InputError(f"{source}: no such file; {REMEDY}")
    params = converted_syncnet(read_state_dict(source), source=str(source))
    network = network_of(SYNCNET_KIND, {}, params, source=source)
    write_network(out, network, inputs=[source], overwrite=overwrite)
    return network


def converted_syncnet(weights: dict[str, np.ndarray], *, source: str) -> PyTree:
    """Return our parameters; raise `InputError` unless the weights are those of SyncNet, one for
    one.
    """
    ignored = [key for key in weights if key.endswith(NOT_A_WEIGHT)]
    return converted(weights, origins(), source=source, remedy=REMEDY, ignored=ignored)


def load_syncnet(folder: str | Path) -> ConvertedNetwork:
    """Return the SyncNet in a folder that `convert_syncnet` wrote; raise `InputError` for any
    other, and for a damaged one.
    """
    return checked(read_network(folder, kind=SYNCNET_KIND, remedy=REMEDY), origins(), folder)
