"""`ksdiff-jax bench data`: clips per second that reach the training step, and the cost of each
stage.

Clips of synthetic content are stored as shards in a temporary folder. One process reads random cuts
of them into training batches, including the sound: shuffled over all shards, with every checksum
verified. For comparison, grain's own sequential TFRecord reader, which shuffles nothing and
verifies nothing, feeds the same decoding and cutting. The two alternate. `parts_us` is the cost of
one clip in microseconds of one core; the file is in the page cache after the first round.

The same is measured for clips that contain the features of a frozen encoder (768 wide, bfloat16) in
addition to the sound: the batch then has the features instead of the sound. `writing` measures the
conversion of clips to shards and a full verification, at three sizes, each in a separate process,
with its time and the peak of its memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME

if TYPE_CHECKING:
    from ksdiff_jax.data.loader import RandomCut

BATCH_SIZE = 32
CUT_FRAMES = 128
CLIPS = 512
CLIP_FRAMES = (100, 225)  # 4 to 9 s, as in the built-in corpus
BATCHES = 30
NEEDED_CLIPS_PER_S = 1100  # consumption of an H200 at batch 32 in 30 ms a step
PROFILED_CLIPS = 200
FEATURE_WIDTH = 768  # of wav2vec 2.0, HuBERT and WavLM base
WRITTEN_CLIPS = (250, 500, 1000)


def measure(args: argparse.Namespace) -> dict:
    """Measure clips per second of both readers, their ratio, and the parts of ours; the same with
    features; and writing.
    """
    from ksdiff_jax.bench.machine import machine

    with tempfile.TemporaryDirectory() as name:
        sound = _reading(args, Path(name) / "sound", features=False)
        features = _reading(args, Path(name) / "features", features=True)
        writing = [_writing(count, Path(name) / f"written-{count}") for count in WRITTEN_CLIPS]
    return {
        "summary": f"random access {sound['clips_per_s']:.0f} clips/s, grain's sequential reader "
        f"{sound['sequential_clips_per_s']:.0f}, ratio {sound['ratio']:.2f}; with features "
        f"{features['clips_per_s']:.0f}; {NEEDED_CLIPS_PER_S} are needed",
        "work": f"batches of {BATCH_SIZE} cuts of {CUT_FRAMES} frames with sound, from {CLIPS} "
        "clips in 8 shards",
        **sound,
        "with_features": features,
        "writing": writing,
        "workers": args.workers,
        "machine": machine(),
    }


def _reading(args: argparse.Namespace, folder: Path, *, features: bool) -> dict:
    """Measure both readers alternately on shards of the same clips."""
    from ksdiff_jax.config import DataConfig
    from ksdiff_jax.data.loader import (
        RandomCut,
        ShuffledEpochs,
        training_batches,
        training_reader,
    )
    from ksdiff_jax.data.shards import write_dataset
    from ksdiff_jax.models.ksdiff.config import Config
    from ksdiff_jax.models.ksdiff.system import KSDiff

    data = DataConfig(batch_size=BATCH_SIZE, clip_frames=CUT_FRAMES, workers=args.workers)
    kept = stored_features if features else None
    cut = RandomCut(KSDiff(Config(data=data)).example, CUT_FRAMES, kept)
    clips = _clips(CLIPS, features=features)
    write_dataset(
        folder, {"train": clips}, licence="", made_by="ksdiff-jax bench data", clips_per_shard=64
    )
    ours, theirs = [], []
    for seed in range(args.repeats):
        epochs = ShuffledEpochs(training_reader(folder, data=data), seed)
        batches = training_batches(cut, epochs, data=data, seed=seed)
        ours.append(_clips_per_s(batches))
        batches.close()
        theirs.append(_clips_per_s(_sequential(folder, cut)))
    rate, sequential = statistics.median(ours), statistics.median(theirs)
    return {
        "clips_per_s": round(rate, 1),
        "sequential_clips_per_s": round(sequential, 1),
        "ratio": round(rate / sequential, 3),
        "parts_us": _parts(folder, cut),
    }


def stored_features(clip):
    """Return the features that a clip contains."""
    return clip.speech_features


def _writing(count: int, folder: Path) -> dict:
    """Convert clips to shards and verify them fully in a fresh process: seconds, and the peak of
    its memory.
    """
    program = (
        f"from ksdiff_jax.bench.data import write_and_verify; write_and_verify({count}, "
        f"{str(folder)!r})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return json.loads(answer)


def write_and_verify(count: int, folder: str) -> None:
    """Do the work of the fresh process and print JSON."""
    from ksdiff_jax.data.shards import write_dataset
    from ksdiff_jax.data.verify import verify_dataset

    # imports and compilation
    write_dataset(folder + "-warm", {"train": _clips(2)}, licence="", made_by="")
    # the peak counts from here, so that earlier peaks do not hide growth
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    write_dataset(folder, {"train": _clips(count)}, licence="", made_by="ksdiff-jax bench data")
    verify_dataset(folder)
    seconds = round(time.perf_counter() - started, 2)
    # Not getrusage, whose peak is inherited from the parent process.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_mib = round(int(status["VmHWM"].split()[0]) / 1024)
    print(json.dumps({"clips": count, "seconds": seconds, "peak_memory_mib": peak_mib}))


def _clips(count: int, *, features: bool = False) -> Iterator:
    import ml_dtypes
    import numpy as np

    from ksdiff_jax.data.schema import Clip, Timed

    random = np.random.default_rng(0)
    for number in range(count):
        frames = int(random.integers(*CLIP_FRAMES))
        words = tuple(Timed(f"word{n}", 0.4 * n, 0.4 * n + 0.3) for n in range(frames // 10))
        yield Clip(
            clip_id=f"clip-{number}",
            speaker_id=f"speaker-{number % 20}",
            language="en",
            source="bench",
            space="builtin",
            audio=random.integers(-8000, 8000, SAMPLES_PER_MOTION_FRAME * frames).astype(np.int16),
            expression=random.normal(size=(frames, 50)).astype(np.float32),
            rotation=random.normal(scale=0.1, size=(frames, 3)).astype(np.float32),
            jaw=random.normal(scale=0.1, size=(frames, 3)).astype(np.float32),
            camera=np.zeros((frames, 3), np.float32),
            shape=np.zeros(100, np.float32),
            transcript=" ".join(word.text for word in words),
            words=words,
            prosody=random.uniform(80, 200, (2 * frames, 2)).astype(np.float32),
            speech_features=random.normal(size=(2 * frames, FEATURE_WIDTH)).astype(
                ml_dtypes.bfloat16
            )
            if features
            else None,
        )


def _sequential(folder: Path, cut: "RandomCut") -> Iterator:
    """Yield batches by grain's own reader, shard after shard, repeatedly."""
    import grain

    from ksdiff_jax.data.batch import collate
    from ksdiff_jax.data.schema import decode_clip

    while True:
        for shard in sorted(folder.glob("*.tfrecord")):
            records = grain.experimental.TFRecordIterDataset(str(shard)).seed(0)
            yield from records.map(decode_clip).random_map(cut).batch(BATCH_SIZE, batch_fn=collate)


def _clips_per_s(batches: Iterator) -> float:
    list(islice(batches, 4))
    started = time.perf_counter()
    count = sum(len(batch.motion) for batch in islice(batches, BATCHES))
    return count / (time.perf_counter() - started)


def _parts(folder: Path, cut: "RandomCut") -> dict[str, float]:
    """Return microseconds of one core for each step of one clip."""
    import numpy as np

    from ksdiff_jax.data.batch import collate
    from ksdiff_jax.data.schema import decode_clip
    from ksdiff_jax.data.shards import ShardReader
    from ksdiff_jax.data.tfrecord import masked_crc32c

    reader, random = ShardReader(folder, "train"), np.random.default_rng(0)
    chosen = random.integers(0, len(reader), PROFILED_CLIPS).tolist()
    records = [reader.record(number) for number in chosen]
    clips = [decode_clip(record) for record in records]
    cuts = [cut.random_map(clip, random) for clip in clips]
    groups = [cuts[first : first + BATCH_SIZE] for first in range(0, len(cuts), BATCH_SIZE)]
    return {
        "read_and_verify": _microseconds(reader.record, chosen),
        "of_which_checksum": _microseconds(masked_crc32c, records),
        "decode": _microseconds(decode_clip, records),
        "cut_and_normalise": _microseconds(lambda clip: cut.random_map(clip, random), clips),
        "collate": round(_microseconds(collate, groups) * len(groups) / len(cuts), 1),
    }


def _microseconds(work: Callable, items: list) -> float:
    started = time.process_time()
    for item in items:
        work(item)
    return round(1e6 * (time.process_time() - started) / len(items), 1)
