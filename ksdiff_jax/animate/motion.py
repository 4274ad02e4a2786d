"""`Motion`: a motion clip that can be posed on a face and rendered.

`MotionClip` (floor 1) contains the numbers and their file format; this module combines them with a
face model and the exporters.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.animate.head_style import with_head_style
from ksdiff_jax.animate.silence_guard import with_silence_guard
from ksdiff_jax.animate.strengths import mouth_only, strengthened
from ksdiff_jax.audio.voice import VoiceSource
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import (
    FaceModel,
    builtin_face,
    check_face,
    face_vertices,
    load_face,
    mouth_opening,
)
from ksdiff_jax.face.drawn_pose import DrawnPose, drawn_pose
from ksdiff_jax.face.dressed import dressed_head, dressed_spans, is_dressed
from ksdiff_jax.face.head.tongue import POSES, tongue_displacements
from ksdiff_jax.face.retargeting import check_owner, face_digest, retargeted, retargeting
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.frame_rate import at_frame_rate
from ksdiff_jax.motion.space import BFM, BUILTIN
from ksdiff_jax.typing import Float

if TYPE_CHECKING:
    from ksdiff_jax.export.side_by_side import Shown

# Number of frames posed at once: one compiled shape for every clip length, and a bound on memory.
BLOCK_FRAMES = 128


class Motion(MotionClip):
    """The result of an `Animator`: arrays (t, ...), a file, and a moving face."""

    def vertex_blocks(
        self, *, face: FaceModel | None = None
    ) -> Iterator[Float[np.ndarray, "t v 3"]]:
        """Yield the posed face, `BLOCK_FRAMES` frames at a time, in metres.

        Raises `InputError` unless the face has the motion's space.
        """
        face = self.face_for(face)
        return self._blocks(face)

    def face_for(self, face: FaceModel | None = None) -> FaceModel:
        """Return the face for this motion: the given one, or the built-in head.

        Raises `InputError` if its space is not that of the motion, if the motion was retargeted to
        another face, or if the motion's space is not known.
        """
        self._check_space()
        face = builtin_face() if face is None else face
        check_face(face, self.space, what="motion")
        check_owner(self, face, remedy="give that face")
        return face

    def on(
        self, face: FaceModel | str | Path, *, source: FaceModel | str | Path | None = None
    ) -> "Motion":
        """Return this motion in the coefficients of another face (face/retargeting.py).

        `face` and `source` are faces or their files. `source` is the face that the motion's
        coefficients belong to; without it, the built-in head. `meta["retargeting"]["error_mm"]` of
        the result has the error per region. A motion whose space is that of `face` is returned
        unchanged unless `source` is given. Raises `InputError` if the motion's space belongs to no
        known face.
        """
        self._check_space()
        face = load_face(face) if isinstance(face, str | Path) else face
        source = load_face(source) if isinstance(source, str | Path) else source
        owner = (self.meta.get("retargeting") or {}).get("to_digest")
        if source is None and face.space == self.space and owner in (None, face_digest(face)):
            return self
        if source is None and self.space == BUILTIN.name:
            source = builtin_face()
        if self.space == BFM.name or source is None:
            why = "no face of it can be posed" if self.space == BFM.name else "its face is needed"
            raise InputError(
                f"motion: the coefficients are of the {self.space} space, and {why} to put them on "
                f"{face.name or 'another face'}; give a motion of the builtin space, or the face "
                "of a flame motion: motion.on(face, source=load_face(FILE))"
            )
        check_face(source, self.space, what="motion")
        check_owner(self, source, remedy="give that one as source")
        return retargeted(self, retargeting(source, face), source, face)

    def with_strengths(
        self,
        *,
        lips: float | int | None = None,
        head: float | int | None = None,
        brows: float | int | None = None,
        blinks: float | int | None = None,
    ) -> "Motion":
        """Return this motion with parts of the face that move more (above 1) or less; see
        `animate.strengths`.
        """
        return strengthened(self, lips=lips, head=head, brows=brows, blinks=blinks)

    def mouth_only(self) -> "Motion":
        """Return the motion of mouth and jaw alone, on a head at rest; see `animate.strengths`."""
        return mouth_only(self)

    def with_head_style(self, reference: MotionClip) -> "Motion":
        """Return this motion with the mean pose of a reference's head, and moving about as far and
        as fast as that; see `animate.head_style`.
        """
        return with_head_style(self, reference)

    def with_silence_guard(self, audio: Float[np.ndarray, "s"]) -> "Motion":
        """Return this motion, at 25 frames per second, with the mouth closed where its sound at 16
        kHz is silent; see `animate.silence_guard`.
        """
        return with_silence_guard(self, audio)

    def at_fps(self, fps: float | int) -> "Motion":
        """Return this motion at another frame rate, without drift; see `motion.frame_rate`."""
        return at_frame_rate(self, fps)

    def _check_space(self) -> None:
        if not self.space:
            raise InputError(
                "this motion is of an earlier version, and nothing in it shows whose expression "
                "coefficients it holds; name them, as in Motion.load(path, space='builtin')"
            )

    def drawn_blocks(
        self,
        *,
        face: FaceModel | None = None,
        tongue: Float[np.ndarray, "t 2"] | None = None,
    ) -> Iterator[Float[np.ndarray, "t v 3"]]:
        """Yield the vertices of `drawn_face(face)` as they are drawn, `BLOCK_FRAMES` frames at a
        time, in metres.

        The built-in head is dressed: its shoulders stay behind when the head turns, its lids follow
        the eyes (`face.drawn_pose`), and `tongue` are weights, 0 to 1, of `face.head.tongue.POSES`.
        """
        drawn = self.drawn_face(face)
        if not is_dressed(drawn):
            yield from self._blocks(drawn)
            return
        blocks = self._blocks(drawn, drawn_pose(self))
        if tongue is None:
            yield from blocks
            return
        if tongue.shape != (len(self), len(POSES)):
            raise InputError(f"tongue: got {tongue.shape}, need {(len(self), len(POSES))}")
        for number, block in enumerate(blocks):
            frames = slice(number * BLOCK_FRAMES, number * BLOCK_FRAMES + len(block))
            yield self._with_tongue(block, tongue[frames], frames)

    def drawn_face(self, face: FaceModel | None = None) -> FaceModel:
        """Return the face that pictures show: the dressed head for the built-in one."""
        face = self.face_for(face)
        return dressed_head() if face is builtin_face() else face

    def _with_tongue(
        self, vertices: Float[np.ndarray, "t v 3"], tongue: Float[np.ndarray, "t 2"], frames: slice
    ) -> Float[np.ndarray, "t v 3"]:
        jaw = self.jaw_pose[frames]
        moved = tongue_displacements(tongue.astype(np.float64), jaw[:, 0].astype(np.float64))
        turns = [self.global_orient[frames], self.neck_pose[frames], jaw]
        root, neck, lower = (Rotation.from_rotvec(turn).as_matrix() for turn in turns)
        turned = np.einsum("tij,tjk,tkl,tnl->tni", root, neck, lower, moved)
        result = vertices.copy()
        result[:, dressed_spans()["tongue"]] += turned.astype(np.float32)
        return result

    def _blocks(
        self, face: FaceModel, pose: DrawnPose | None = None
    ) -> Iterator[Float[np.ndarray, "t v 3"]]:
        if pose is None:
            pose = DrawnPose(
                self.exp, self.global_orient, self.neck_pose, self.jaw_pose, self.eyes_pose
            )
        for start in range(0, len(self), BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, len(self))
            missing = BLOCK_FRAMES - (stop - start)
            padded = DrawnPose(
                *(np.pad(array[start:stop], [(0, missing), (0, 0)]) for array in pose)
            )
            vertices = face_vertices(face, shape=self.shape, **padded._asdict())
            yield np.asarray(vertices)[: stop - start]

    def vertices(self, *, face: FaceModel | None = None) -> Float[np.ndarray, "t v 3"]:
        """Return the posed face in metres, on the built-in head unless another is given (60 kB a
        frame).
        """
        return np.concatenate(list(self.vertex_blocks(face=face)))

    def mouth_opening(self, *, face: FaceModel | None = None) -> Float[np.ndarray, "t"]:
        """Return the distance in metres between the inner lips at the middle of the mouth."""
        face = self.face_for(face)
        blocks = (
            np.asarray(mouth_opening(face, vertices)) for vertices in self.vertex_blocks(face=face)
        )
        return np.concatenate(list(blocks))

    def render(
        self,
        path: str | Path,
        *,
        audio: str | Path | VoiceSource | None = None,
        face: FaceModel | None = None,
        tongue: Float[np.ndarray, "t 2"] | None = None,
        progress: Callable[[int, int], None] | None = None,
        overwrite: bool = False,
        **picture,
    ) -> Path:
        """Write a video of the face (.mp4, .mov or .webm), with the sound of the recording `audio`;
        `progress(done, total)` counts frames.

        `picture` are the options of `export.picture.PictureForm`: `size=512` or (width, height) in
        pixels, `view=` one or more of front, three-quarter and side, `look=` textured or clay,
        `transparent=True` (.mov and .webm). `tongue` is that of `drawn_blocks`. With
        `Animator.read(...).heard` as `audio`, the sound is that of the channel and the track that
        were read. A video of ours at `path` is replaced; another file is replaced only with
        `overwrite`, and `audio` itself never.
        """
        from ksdiff_jax.export.side_by_side import write_side_by_side

        return write_side_by_side(
            path,
            [self.shown(face=face, tongue=tongue)],
            audio=audio,
            progress=progress,
            overwrite=overwrite,
            **picture,
        )

    def shown(
        self,
        label: str = "",
        *,
        face: FaceModel | None = None,
        tongue: Float[np.ndarray, "t 2"] | None = None,
    ) -> "Shown":
        """Return this motion for `export.side_by_side.write_side_by_side`, under a label."""
        from ksdiff_jax.export.side_by_side import Shown

        blocks = self.drawn_blocks(face=face, tongue=tongue)
        return Shown(label, len(self), self.fps, self.drawn_face(face), blocks)
