"""The field of a system's configuration that names a trained lip-sync model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SyncModelConfig:
    """A frozen lip-sync model, a run of the system `sync` (`configured_loss.py`)."""

    path: str = ""  # checkpoint folder, workdir, shipped name or org/name of the hub
    digest: str = ""  # digest of that checkpoint; another one is refused
