"""Time bases: waveform samples (16 kHz), speech feature frames (50 Hz) and motion frames (25 Hz).

Motion frame i is at the instant i / 25 s. It corresponds to the samples [640 i, 640 (i + 1)) and to
the speech frames 2i and 2i + 1. A clip of n samples has round(25 n / 16000) motion frames, at least
one.
"""

SAMPLE_RATE_HZ = 16_000
SPEECH_RATE_HZ = 50
MOTION_RATE_HZ = 25

SAMPLES_PER_SPEECH_FRAME = SAMPLE_RATE_HZ // SPEECH_RATE_HZ  # 320
SAMPLES_PER_MOTION_FRAME = SAMPLE_RATE_HZ // MOTION_RATE_HZ  # 640
SPEECH_FRAMES_PER_MOTION_FRAME = SPEECH_RATE_HZ // MOTION_RATE_HZ  # 2


def motion_frames(samples: int) -> int:
    """Return the motion frames of a clip of `samples` samples at 16 kHz: round(25 · seconds), at
    least 1.
    """
    return max(1, (samples + SAMPLES_PER_MOTION_FRAME // 2) // SAMPLES_PER_MOTION_FRAME)


def speech_frames(samples: int) -> int:
    """Return the speech feature frames of a clip of `samples` samples: exactly twice its motion
    frames.
    """
    return SPEECH_FRAMES_PER_MOTION_FRAME * motion_frames(samples)


def samples_of_motion_frames(frames: int) -> int:
    """Return the samples that correspond to `frames` motion frames."""
    return frames * SAMPLES_PER_MOTION_FRAME
