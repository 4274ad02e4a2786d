"""The configuration that every system has: the source of its data, its training, and its devices.

A configuration is a tree of frozen dataclasses. Every field has its unit and its source, and each
dataclass checks itself on creation. A system's folder defines the whole of its own configuration
(`models/ksdiff/config.py`), which is a `Config` as below. Files in `configs/` define `config() ->
Config`; `ksdiff_jax.overrides` changes any field by its dotted name.

Defaults are the paper's (KSDiff, §n is its section). `R` marks our choice where the paper leaves a
value open.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ksdiff_jax.errors import InputError
from ksdiff_jax.limits import at_least, below_one, need, probabilities, weights


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to the sound of a training clip; the motion is unchanged. Probabilities per
    clip.
    """

    noise: float = 0.5
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    reverberation: float = 0.4
    equaliser: float = 0.7
    band_limit: float = 0.3
    gain_db: tuple[float, float] = (-12.0, 6.0)
    distortion: float = 0.1  # hard clipping of the peaks
    pitch_loss: float = 0.3  # the pitch tracker misses part of the voiced frames

    def __post_init__(self) -> None:
        probabilities(
            self,
            "data.augment",
            *("noise", "reverberation", "equaliser", "band_limit", "distortion", "pitch_loss"),
        )


@dataclass(frozen=True)
class SourceConfig:
    """One of several data sets of a run; on the command line
    `--data.sources "weight=2, path=SHARDS name=real"`.
    """

    path: str = ""  # folder of shards; empty: the built-in corpus
    weight: float = 1.0  # its share of the training rows is its weight over the sum of all
    name: str = ""  # in styles and reports; empty: the folder's name, of the corpus "corpus"
    style: str = ""  # the style that its clips are trained as; empty: its name
    # factor of its losses of the head; 0: people who were filmed with their heads still
    head_weight: float = 1.0
    # drawn: its lids are replaced by random blinks of the built-in corpus (data/drawn_lids.py)
    lids: Literal["own", "drawn"] = "own"

    def __post_init__(self) -> None:
        weights(self, "data.sources", "weight", "head_weight")

    @property
    def label(self) -> str:
        """Return its name, or the one that it has without one."""
        return self.name or self.path.rstrip("/").rpartition("/")[2] or "corpus"


@dataclass(frozen=True)
class DataConfig:
    """The source of clips and how they are cut."""

    path: str = ""  # folder of shards; empty: the built-in corpus, generated on first use
    # several data sets, mixed by weight (data/mixture.py), in place of `path`; empty: only `path`
    sources: tuple[SourceConfig, ...] = ()
    # mean and std of the normalised motion: empty: of all training rows, the sources by weight; the
    # name of a source: its own; "init": of train.init_from, which fine-tuned weights expect
    statistics: str = ""
    # motion space of shards of an earlier version that do not show it
    space: Literal["", "builtin", "flame", "bfm"] = ""
    clip_frames: int = 128  # R: 5.12 s at 25 Hz
    batch_size: int = 32  # §3.3
    workers: int = 0  # grain worker processes; 0 reads in the training process
    # threads that read and decode in each process; more hide the latency of a slow disk
    threads: int = 1
    corpus_clips: int = 2000  # clips of the built-in corpus, if it is used
    augment: AugmentConfig | None = None  # None: clean sound
    # skip: all shards are read once before training, and bad records are listed
    on_bad_record: Literal["raise", "skip"] = "raise"
    bad_record_share: float = 0.01  # a larger share of bad records in a split is always an error

    def __post_init__(self) -> None:
        at_least(self, "data", clip_frames=1, batch_size=1, workers=0, threads=1, corpus_clips=1)
        probabilities(self, "data", "bad_record_share")
        self._check_sources()

    def _check_sources(self) -> None:
        labels = [source.label for source in self.sources]
        if not labels:
            known = ("", "init")
            need(self.statistics in known, self, "data.statistics", "empty, or init")
            return
        if self.path:
            raise InputError(
                f"data.path {self.path} and data.sources {', '.join(labels)}: need one of them; "
                "name the folder as one of the sources"
            )
        if sum(source.weight for source in self.sources) <= 0:
            raise InputError(
                f"data.sources {', '.join(labels)}: their weights are all 0; need one above 0"
            )
        if odd := next((name for name in labels if name == "init" or "/" in name), ""):
            raise InputError(
                f"data.sources name={odd}: need a name without /, which styles use, and not init, "
                "which data.statistics uses"
            )
        if twice := next((name for name in labels if labels.count(name) > 1), ""):
            raise InputError(
                f"data.sources: two are named {twice!r}; give each its own with name=..."
            )
        known = ", ".join(("init", *labels))
        found = self.statistics in ("", "init", *labels)
        need(found, self, "data.statistics", f"empty, or one of {known}")


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation and the schedule of a run (§3.3)."""

    steps: int = 100_000
    learning_rate: float = 1e-4
    warmup_steps: int = 5_000
    # R; cosine ends at `steps`: a longer run raises the rate again
    decay: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01  # R
    clip_norm: float = 1.0  # R
    ema_decay: float = 0.999  # R
    seed: int = 0
    log_every: int = 50
    validate_every: int = 1000
    validate_clips: int = 32
    checkpoint_every: int = 500
    checkpoints_kept: int = 2
    # seconds without a step after which a run ends itself (status 75); 0: never
    hang_s: float = 600.0
    # steps between videos and plots of validation clips in <workdir>/samples; 0: none
    samples_every: int = 0
    samples_clips: int = 2
    # micro-batches of one step: the memory of a small batch, the gradient of the whole one
    accumulate_steps: int = 1
    # what a layer stores for the backward pass: everything, products, nothing
    remat: Literal["none", "dots", "full"] = "none"
    # one layer of each stack is compiled and looped: the same numbers, a shorter compilation
    scan_layers: bool = False
    # checkpoint folder, workdir, shipped name or org/name of the hub: start weights of a new run
    init_from: str = ""
    # parameters copied from there, as "generators_head/*" (fnmatch)
    init_patterns: tuple[str, ...] = ("*",)
    freeze_patterns: tuple[str, ...] = ()  # parameters that keep their start values

    def __post_init__(self) -> None:
        counts = ("steps", "log_every", "validate_every", "validate_clips", "samples_clips")
        counts += ("checkpoint_every", "checkpoints_kept", "accumulate_steps")
        at_least(self, "train", **dict.fromkeys(counts, 1), warmup_steps=0, samples_every=0)
        weights(self, "train", "weight_decay")
        rate = self.learning_rate
        need(math.isfinite(rate) and rate > 0, self, "train.learning_rate", "a number above 0")
        need(self.clip_norm > 0, self, "train.clip_norm", "a number above 0")
        below_one(self, "train", "ema_decay")
        need(self.hang_s >= 0, self, "train.hang_s", "seconds, or 0 for no watchdog")
        need(0 <= self.seed < 2**32, self, "train.seed", "a whole number from 0 to below 2^32")


@dataclass(frozen=True)
class MeshConfig:
    """Devices along each mesh axis; -1 uses the remaining devices."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


@runtime_checkable
class Config(Protocol):
    """One experiment, as code that serves every system uses it: a frozen dataclass."""

    name: str
    system: str  # the system it configures, a key of `models.SYSTEMS`
    model: Any  # the network; the system defines its fields
    loss: Any  # weights of the system's losses
    sample: Any  # defaults of inference
    data: DataConfig
    train: TrainConfig
    mesh: MeshConfig

    @property
    def transcript_tokens(self) -> int:
        """Return the number of tokens of a transcript, with begin and end; 2 if the system reads
        none.
        """

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefixes of the parameters that keep their start values."""


def to_dict(config) -> dict:
    """Return a configuration as plain nested dicts, lists and scalars, ready for JSON."""
    return dataclasses.asdict(config)


def flatten(values: Mapping, prefix: str = "") -> dict[str, object]:
    """Return nested dicts as one, by dotted names: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= (
            flatten(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else {prefix + name: value}
        )
    return flat
