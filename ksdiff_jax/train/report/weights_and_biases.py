"""Sends the metrics of a run to Weights & Biases, if its package is installed; nothing depends on
it.

Its own settings apply (`WANDB_MODE`, `WANDB_PROJECT`, `WANDB_API_KEY`, ...); `WANDB_MODE=disabled`
switches it off. Without credentials it writes into `<workdir>/wandb`, for `wandb sync`. A failure
gives a warning and never stops training.
"""

import importlib
import importlib.util
import json
import math
import netrc
import os
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path

from ksdiff_jax.errors import Notice
from ksdiff_jax.files import replacing

_ID_FILE = "wandb_id"  # identifies the run, so that a resumed training continues it


class WeightsAndBiases:
    """A run at Weights & Biases, or an empty object: `open` returns either, and `write` and `close`
    work on both.
    """

    def __init__(self, run=None):
        self._run = run

    @classmethod
    def open(cls, workdir: Path) -> "WeightsAndBiases":
        """Start or continue the run of `workdir`, with its configuration."""
        if importlib.util.find_spec("wandb") is None or os.environ.get("WANDB_MODE") == "disabled":
            return cls()
        try:
            config = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
            wandb = importlib.import_module("wandb")
            mode = os.environ.get("WANDB_MODE") or ("online" if _has_credentials() else "offline")
            return cls(
                wandb.init(
                    project=os.environ.get("WANDB_PROJECT", "ksdiff-jax"),
                    name=config.get("name") or workdir.name,
                    id=_run_id(workdir),
                    resume="allow",
                    config=config,
                    dir=str(workdir),
                    mode=mode,
                )
            )
        except Exception as error:
            # any error of a network, an account or another version of the package
            return cls._failed(error)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Send one entry; values that are not finite are left out."""
        if self._run is None:
            return
        try:
            finite = {
                f"{split}/{name}": value for name, value in values.items() if math.isfinite(value)
            }
            self._run.log(finite, step=step)
        except Exception as error:
            self._run = self._failed(error)._run

    def close(self) -> None:
        """End the run."""
        if self._run is not None:
            try:
                self._run.finish()
            except Exception as error:
                self._failed(error)
            self._run = None

    @classmethod
    def _failed(cls, error: Exception) -> "WeightsAndBiases":
        message = f"Weights & Biases is disabled from here on: {type(error).__name__}: {error}"
        warnings.warn(message, Notice, stacklevel=3)
        return cls()


def _run_id(workdir: Path) -> str:
    path = workdir / _ID_FILE
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _has_credentials() -> bool:
    """Return whether the package can log in without a prompt."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
