"""`ksdiff-jax animate` on a folder of short recordings, killed twice (SIGKILL) and run to its end.

| name | definition |
|---|---|
| once | whether every recording has exactly one line in the manifest |
| complete | whether all results of the manifest are there with their digests, and no other file |
| kept | recordings that were done at each end of a process |
| files_a_second | of the last process, from its start to its end |
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = 2000
FILE_S = 1.0
_PATIENCE_S = 3600.0


def measure(*, files: int = FILES, seconds: float = FILE_S) -> dict:
    """Return the figures of `files` recordings of the shipped checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_recordings(folder / "in", files, seconds)
        kept, last_s = [], 0.0
        for stop_at in (files // 3, 2 * files // 3, None):
            began = time.perf_counter()
            kept.append(_run(folder, stop_at=stop_at))
            last_s = time.perf_counter() - began
        return {
            "files": files,
            "kept": kept,
            "files_a_second": round((kept[-1] - kept[-2]) / last_s, 2),
            **checked(folder / "in", folder / "out"),
        }


def checked(given: Path, out: Path) -> dict[str, bool]:
    """Return `once` and `complete` of the results in `out` for the recordings in `given`."""
    lines = _lines(out / "manifest.jsonl")
    inputs = sorted(line["input"] for line in lines)
    results = [output for line in lines for output in line.get("outputs", ())]
    complete = len(results) == len(lines) and all(
        (path := out / result["file"]).is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest() == result["sha256"]
        for result in results
    )
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    named = {result["file"] for result in results} | {"manifest.jsonl"}
    return {
        "once": inputs == sorted(map(str, given.iterdir())),
        "complete": complete and there == named,
    }


def _write_recordings(folder: Path, files: int, seconds: float) -> None:
    from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
    from ksdiff_jax.audio.waveform import write_wav
    from ksdiff_jax.bench.voice import made_up_voice

    folder.mkdir()
    voice, samples = made_up_voice(seconds + files / 1000), round(seconds * SAMPLE_RATE_HZ)
    for number in range(files):  # each begins 1 ms later, so that no two are alike
        first = number * SAMPLE_RATE_HZ // 1000
        write_wav(folder / f"{number:05}.wav", voice[first : first + samples])


def _run(folder: Path, *, stop_at: int | None) -> int:
    """Animate until the process ends, or until it has done `stop_at` recordings and is killed;
    return how many are done. Raise `RuntimeError` if it ends in another way.
    """
    manifest = folder / "out" / "manifest.jsonl"
    command = [sys.executable, "-m", "ksdiff_jax", "animate", str(folder / "in")]
    command += ["--out", str(folder / "out"), "--formats", "npz", "--quiet"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    killed, until = False, time.monotonic() + _PATIENCE_S
    with subprocess.Popen(command, **quiet) as process:
        try:
            while process.poll() is None and time.monotonic() < until:
                if stop_at is not None and len(_lines(manifest)) >= stop_at:
                    process.kill()
                    killed = True
                    break
                time.sleep(0.2)
        finally:
            process.kill()
    if killed != (stop_at is not None) or (not killed and process.returncode):
        raise RuntimeError(f"animate ended with status {process.returncode}")
    return len(_lines(manifest))


def _lines(manifest: Path) -> list[dict]:
    """Return the complete lines of recordings, without the first line."""
    if not manifest.exists():
        return []
    content = manifest.read_text(encoding="utf-8")
    return [json.loads(line) for line in content[: content.rfind("\n") + 1].splitlines()[1:]]
