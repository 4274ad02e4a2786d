"""One plot of a motion on a common time axis: waveform, mouth opening, head angles, and the
keyframes of both paths.

Head angles are read from the axis-angle vector. Its components are the rotations about x (pitch,
positive nods down), y (yaw, positive to the subject's left) and z (roll). They are exact for a
rotation about one axis and accurate enough for the angles that occur in speech.
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

COLOURS = {
    "sound": "#8a94a6",
    "mouth": "#c4483a",
    "pitch": "#1f6f8b",
    "yaw": "#d98e04",
    "roll": "#6a4c93",
}
ENVELOPE_POINTS = 2000


@drawing()
def write_plot(
    path: str | Path,
    clip: MotionClip,
    *,
    opening_m: Float[np.ndarray, "t"],
    audio: Float[np.ndarray, "s"] | None = None,
    title: str = "",
    overwrite: bool = False,
) -> Path:
    """Draw `clip` with its mouth opening (metres) and, if given, the speech (16 kHz) from which it
    was generated.

    A plot of ours at `path` is replaced; another file is replaced only with `overwrite`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    # A system may place no keyframes; the panel is left out then.
    tracks = (clip.keyframes_expression, clip.keyframes_head)
    scores = (clip.keyframe_score_expression, clip.keyframe_score_head)
    keyed = any(np.any(track) for track in tracks + scores)
    heights = [1.0, 1.5, 1.5, 0.9] if keyed else [1.0, 1.5, 1.5]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_sound(axes[0], audio)
    _draw_mouth(axes[1], clip, opening_m)
    _draw_head(axes[2], clip)
    if keyed:
        _draw_keyframes(axes[3], clip)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", color="0.92")
        axis.set_axisbelow(True)
    axes[-1].set_xlim(0, clip.duration_s)
    axes[-1].set_xlabel("time (s)")
    figure.align_ylabels()
    figure.suptitle(title_of(title) or "motion", x=0.01, ha="left", fontsize=12)
    with writing(path, "plot", overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": mark("plot")})
    return Path(path)


def _draw_sound(axis, audio) -> None:
    axis.set_ylabel("speech")
    axis.set_yticks([])
    if audio is None or len(audio) == 0:
        return
    low, high = _envelope(audio)
    time_s = np.linspace(0, len(audio) / SAMPLE_RATE_HZ, len(low))
    axis.fill_between(time_s, low, high, color=COLOURS["sound"], linewidth=0)
    peak = max(float(np.abs(low).max()), float(np.abs(high).max()), 1e-3)
    axis.set_ylim(-1.05 * peak, 1.05 * peak)


def _envelope(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest sample of each of `ENVELOPE_POINTS` stretches."""
    step = max(1, -(-len(audio) // ENVELOPE_POINTS))
    padded = np.pad(audio, (0, -len(audio) % step)).reshape(-1, step)
    return padded.min(axis=1), padded.max(axis=1)


def _draw_mouth(axis, clip: MotionClip, opening_m: np.ndarray) -> None:
    opening_mm = 1000 * np.asarray(opening_m)
    axis.fill_between(
        clip.timestamps, 0, opening_mm, color=COLOURS["mouth"], alpha=0.15, linewidth=0
    )
    axis.plot(clip.timestamps, opening_mm, color=COLOURS["mouth"], linewidth=1.3)
    axis.set_ylabel("mouth opening (mm)")
    axis.set_ylim(0, max(1.0, 1.1 * float(opening_mm.max())))


def _draw_head(axis, clip: MotionClip) -> None:
    angles_deg = np.degrees(clip.global_orient)
    for column, name in enumerate(("pitch", "yaw", "roll")):
        axis.plot(
            clip.timestamps, angles_deg[:, column], color=COLOURS[name], linewidth=1.3, label=name
        )
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axis.set_ylabel("head angle (°)")
    reach_deg = max(2.0, 1.15 * float(np.abs(angles_deg).max()))
    axis.set_ylim(-reach_deg, reach_deg)
    axis.legend(loc="upper right", ncols=3, frameon=False, fontsize=9)


def _draw_keyframes(axis, clip: MotionClip) -> None:
    rows = (
        ("head", clip.keyframes_head, clip.keyframe_score_head, COLOURS["pitch"]),
        ("expression", clip.keyframes_expression, clip.keyframe_score_expression, COLOURS["mouth"]),
    )
    for row, (_, keyframes, score, colour) in enumerate(rows):
        axis.fill_between(
            clip.timestamps,
            row,
            row + 0.8 * score,
            color=colour,
            alpha=0.25,
            linewidth=0,
            step="mid",
        )
        axis.vlines(clip.timestamps[keyframes], row, row + 0.8, color=colour, linewidth=1.2)
    axis.set_yticks([0.4, 1.4], [name for name, *_ in rows])
    axis.set_ylim(-0.05, 2.0)
    axis.set_ylabel("keyframes")
