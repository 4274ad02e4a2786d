"""`ksdiff-jax rate`: a study from folders of videos, and figures from what participants send."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.ratings.page import read_key
from ksdiff_jax.ratings.questions import CRITERIA


def write_video(path: Path, *, codec: str = "libx264", sound: bool = True) -> None:
    """Two grey pictures, and a moment of silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(codec, rate=25, width=16, height=16, pix_fmt="yuv420p")
        voice = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for _ in range(2):
            grey = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 99, np.uint8), format="rgb24")
            container.mux(pictures.encode(grey))
        container.mux(pictures.encode(None))
        if sound:
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(voice.encode(frame))
            container.mux(voice.encode(None))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with `study`, of the systems ours and truth with the clips a and b."""
    folder = tmp_path_factory.mktemp("rate")
    for system in ("ours", "truth"):
        for clip in "ab":
            write_video(folder / system / f"{clip}.mp4")
    systems = [f"ours={folder}/ours", f"{folder}/truth"]
    assert main(["rate", *systems, "--out", str(folder / "study"), "--quiet"]) == 0
    return folder


def answer(folder: Path, name: str, scores: dict[str, int], **changed) -> Path:
    """What the page saves: all criteria of a system have its score; two trials a system."""
    key = read_key(folder / "study")
    trials = [
        {
            "items": [item],
            "scores": {item: {c.name: scores[key.items[item].system] for c in CRITERIA}},
            "seconds": 3.0,
        }
        for (item,) in key.trials
    ]
    content = {"schema": "ksdiff-ratings/1", "study": key.study, "participant": name}
    content |= {"session": name, "started": "2026", "finished": "2026", "planned": len(trials)}
    path = folder / f"{changed.pop('file', name)}.json"
    path.write_text(json.dumps(content | {"trials": trials} | changed))
    return path


def test_answers_become_opinions_and_files_that_must_not_count_are_named(made, tmp_path, capsys):
    files = [answer(made, f"p{n}", {"ours": 2 + n, "truth": 4}) for n in range(2)]
    copied = answer(made, "p1", {"ours": 3, "truth": 4}, file="z-copy", participant="other")
    again = answer(
        made, "p0", {"ours": 5, "truth": 5}, file="again", session="x", started="2025", trials=[]
    )
    half = answer(made, "p9", {"ours": 1, "truth": 1}, planned=5)
    given = [*map(str, files), str(copied), str(again), str(half)]
    out = tmp_path / "opinions"
    rest = ["--study", str(made / "study"), "--out", str(out)]
    assert main(["rate", "--results", *given, *rest]) == 0
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 3
    for line, path, reason in (
        (lines[0], again, f"a second session beside {files[0]}"),
        (lines[1], copied, f"a copy of {files[1]}"),
        (lines[2], half, "half finished (4 of 5 trials)"),
    ):
        assert str(path) in line and reason in line
    document = json.loads((out / "opinions.json").read_text())
    assert document["participants"] == ["p0", "p1"] and len(document["left_out"]) == 3
    assert document["opinions"]["ours"]["lip_sync"]["mean"] == 2.5
    assert document["comparisons"][0]["difference"]["mean"] == 1.5
    table = (out / "opinions.md").read_text()
    assert table in captured.out + "\n" and "| ours | 2.50 [2.00, 3.00] |" in table
    assert "| truth | **+1.50 [+1.00, +2.00]** |" in table
    assert "ours,lip_sync,opinion,,2.5,2,3,4" in (out / "opinions.csv").read_text()
    assert main(["rate", "--results", *given, *rest, "--keep-unfinished", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["participants"] == ["p0", "p1", "p9"]


def refused(capsys, *arguments) -> str:
    assert main(["rate", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"study": "0"}, "answers to another study (0, not"),
        ({"schema": "ksdiff-metrics/1"}, "not the answers of a participant (schema"),
        ({"trials": [{"items": ["x"], "scores": {}}]}, "trial 1 is none of the 4 of this study"),
        ({"trials": [[]]}, "not the answers of a participant"),
        ({"planned": "4"}, "its trials have another form"),
        ({"participant": None}, "its trials have another form"),
    ],
)
def test_answers_that_do_not_fit_are_one_line(made, changed, said, capsys):
    path = answer(made, "bad", {"ours": 1, "truth": 1}, **changed)
    line = refused(capsys, "--results", path, "--study", made / "study")
    assert said in line and str(path) in line


def test_a_study_is_made_again_as_it_was_but_not_replaced_by_another(made, tmp_path, capsys):
    systems = [f"ours={made}/ours", f"{made}/truth"]
    given = ["rate", *systems, "--out", str(tmp_path / "study"), "--quiet"]
    assert main(given) == 0 and main(given) == 0
    before = (tmp_path / "study" / "key.json").read_bytes()
    line = refused(capsys, *given[1:], "--trials", 2)
    assert "has another study" in line and "whose answers would count no more" in line
    assert (tmp_path / "study" / "key.json").read_bytes() == before
    assert main([*given, "--trials", "2", "--overwrite"]) == 0


def test_a_trial_that_is_there_twice_and_a_file_nested_without_end_are_one_line(made, capsys):
    path = answer(made, "bad", {"ours": 1, "truth": 1})
    content = json.loads(path.read_text())
    content["trials"] = content["trials"][:1] * content["planned"]
    path.write_text(json.dumps(content))
    line = refused(capsys, "--results", path, "--study", made / "study")
    assert "trial 2 shows what one before it showed" in line
    path.write_text("[" * 100_000)
    line = refused(capsys, "--results", path, "--study", made / "study")
    assert "not the answers of a participant" in line


@pytest.mark.parametrize("score", [0, 6, 2.5, True, "3"])
def test_a_score_that_the_page_does_not_give_is_refused(made, score, capsys):
    path = answer(made, "bad", {"ours": score, "truth": 1})
    line = refused(capsys, "--results", path, "--study", made / "study")
    assert f"is {score!r}; need a whole number from 1 to 5" in line


def test_folders_that_make_no_study_are_one_line_and_nothing_is_left(made, tmp_path, capsys):
    out = tmp_path / "out"
    ours = f"ours={made}/ours"
    write_video(tmp_path / "one" / "a.mp4")
    for clip in "ab":
        write_video(tmp_path / "silent" / f"{clip}.mp4", sound=False)
        write_video(tmp_path / "old" / f"{clip}.mp4", codec="mpeg4")
    (tmp_path / "text").mkdir()
    for clip in "ab":
        (tmp_path / "text" / f"{clip}.mp4").write_text("no video")
    for other, said in (
        ("one", "no video b, which ours has"),
        ("silent", "a.mp4: has no sound"),
        ("old", "a.mp4: its pictures are mpeg4, which browsers do not play"),
        ("text", "a.mp4: not a video that can be opened"),
        ("nowhere", "no such folder"),
    ):
        assert said in refused(capsys, ours, f"other={tmp_path / other}", "--out", out)
    assert "a second system named ours" in refused(capsys, ours, ours, "--out", out)
    assert "need the folders of two or more" in refused(capsys, ours, "--out", out)
    two = (ours, f"{made}/truth")
    assert "--trials 9: need 1 to 4" in refused(capsys, *two, "--trials", 9, "--out", out)
    assert "need --out" in refused(capsys, *two)
    assert "not used with --results" in refused(capsys, "--results", "x", *("--pairs",))
    assert not out.exists()
    out.mkdir()
    (out / "mine").touch()
    assert "not empty and not a rating study of ours" in refused(capsys, *two, "--out", out)
    assert "not the key of a rating study" in refused(
        capsys, "--results", made / "ours" / "a.mp4", "--study", out
    )
