"""The export of a run for inference: `<workdir>/pretrained/`, the averaged weights with a card that
states their origin.
"""

from pathlib import Path

from ksdiff_jax.config import Config
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.parallel.arrays import on_host
from ksdiff_jax.parallel.distributed import is_main_process
from ksdiff_jax.train.feed import TrainingData
from ksdiff_jax.train.state import TrainState
from ksdiff_jax.train.workdir import versions


def export_average(
    workdir: Path,
    state: TrainState,
    *,
    config: Config,
    data: TrainingData,
    step: int,
    metrics: dict[str, float],
) -> Path:
    """Write `state.ema`; an earlier export is replaced only when the new one is complete.

    Of several processes, only the first writes, but all must call this.
    """
    folder, params = workdir / "pretrained", on_host(state.ema)
    if not is_main_process():
        return folder
    return save_pretrained(
        folder,
        config=config,
        params=params,
        space=data.space,
        card=card(config, data=data, step=step, metrics=metrics),
        extra={
            "step": step,
            "metrics": metrics,
            "data": data.description,
            "sources_digests": list(data.source_digests),
            "versions": versions(),
        },
        overwrite=True,  # the folder belongs to the run
    )


def card(config: Config, *, data: TrainingData, step: int, metrics: dict[str, float]) -> str:
    """Return the checkpoint's card in Markdown."""
    made_with = versions()
    lines = [
        f"# {config.name or 'KSDiff'}, step {step}",
        "",
        f"Weights: moving average with decay {config.train.ema_decay}, seed {config.train.seed}.",
        f"Data: {data.description}.",
        f"Batches: {config.data.batch_size} clips of {config.data.clip_frames} frames at 25 Hz.",
        f"Made with jax {made_with['packages']['jax']} on "
        f"{', '.join(sorted(set(made_with['devices'])))}, "
        f"source revision {made_with['git_revision'] or 'unknown'}.",
    ]
    encoder = getattr(config.model, "encoder", None)  # not of picture systems
    if encoder is not None and encoder.kind == "pretrained":
        kept = "finetuned, stored here" if encoder.finetune else "frozen, not stored here"
        lines.append(f"Speech encoder: {encoder.path}, SHA-256 {encoder.digest}, {kept}.")
    if first_stage := getattr(config.model, "autoencoder_path", ""):
        digest = config.model.autoencoder_digest
        lines.append(f"Autoencoder: {first_stage}, SHA-256 {digest}, fixed, not stored here.")
    if teacher := getattr(config.model, "teacher", None):
        lines.append(
            f"A speech encoder; teacher: {teacher.path}, SHA-256 {teacher.digest}, not needed to "
            "use it."
        )
    distill = getattr(config, "distill", None)  # not of systems without a sampler
    if distill is not None and distill.teacher:
        lines.append(
            f"Distilled from {distill.teacher}, SHA-256 {distill.digest}, for "
            f"{', '.join(map(str, distill.student_steps))} sampling steps without guidance."
        )
    if metrics:
        lines += ["", "| validation | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in metrics.items()]
    return "\n".join(lines) + "\n"
