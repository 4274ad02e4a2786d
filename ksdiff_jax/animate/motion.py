"""`Motion`: a motion clip that can be posed on a face and rendered.

`MotionClip` (floor 1) contains the numbers and their file format; this module combines them with a
face model and the exporters.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ksdiff_jax.animate.head_style import with_head_style
from ksdiff_jax.animate.silence_guard import with_silence_guard
from ksdiff_jax.animate.strengths import mouth_only, strengthened
from ksdiff_jax.audio.voice import VoiceSource
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import FaceModel, builtin_face, check_face, face_vertices, mouth_opening
from ksdiff_jax.face.retargeting import check_owner, face_digest, retargeted, retargeting
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.frame_rate import at_frame_rate
from ksdiff_jax.motion.space import BFM, BUILTIN
from ksdiff_jax.typing import Float

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

    def on(self, face: FaceModel, *, source: FaceModel | None = None) -> "Motion":
        """Return this motion in the coefficients of another face (face/retargeting.py).

        `source` is the face that the motion's coefficients belong to; without it, the built-in
        head. `meta["retargeting"]["error_mm"]` of the result has the error per region. A motion
        whose space is that of `face` is returned unchanged unless `source` is given. Raises
        `InputError` if the motion's space belongs to no known face.
        """
        self._check_space()
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

    def _blocks(self, face: FaceModel) -> Iterator[Float[np.ndarray, "t v 3"]]:
        for start in range(0, len(self), BLOCK_FRAMES):
            frames = slice(start, min(start + BLOCK_FRAMES, len(self)))
            missing = BLOCK_FRAMES - (frames.stop - start)

            def padded(array, frames=frames, missing=missing):
                return np.pad(array[frames], [(0, missing), (0, 0)])

            vertices = face_vertices(
                face,
                padded(self.exp),
                shape=self.shape,
                global_orient=padded(self.global_orient),
                neck_pose=padded(self.neck_pose),
                jaw_pose=padded(self.jaw_pose),
                eyes_pose=padded(self.eyes_pose),
            )
            yield np.asarray(vertices)[: frames.stop - start]

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
        size: int = 512,
        progress: Callable[[int, int], None] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write an mp4 of the face, with the sound of the recording `audio`; `progress(done,
        total)` counts frames.

        With `Animator.read(...).heard` as `audio`, the sound is that of the channel and the track
        that were read. A video of ours at `path` is replaced; another file is replaced only with
        `overwrite`, and `audio` itself never.
        """
        from ksdiff_jax.export.video import VideoForm, write_motion_video

        face = self.face_for(face)
        return write_motion_video(
            path,
            self.vertex_blocks(face=face),
            face,
            form=VideoForm(frames=len(self), fps=self.fps, size=size),
            audio=audio,
            progress=progress,
            overwrite=overwrite,
        )
