"""The page of a rating study: what it shows, and what it must not show."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ksdiff_jax.ratings.page import page_of, plan, read_key, write_study
from ksdiff_jax.ratings.questions import CRITERIA, PAPER_TABLE_2, of_paper


@pytest.fixture
def videos(tmp_path) -> dict[str, dict[str, Path]]:
    """Three systems of two clips; the page does not look into them."""
    found = {}
    for system in ("ours", "DiffSpeaker", "truth"):
        for clip in ("anna", "b'</script>"):
            path = tmp_path / system / f"{clip.replace('/', '-')}.mp4"
            path.parent.mkdir(exist_ok=True)
            path.write_text(system + clip)
            found.setdefault(system, {})[clip] = path
    return found


def study_in(page: str) -> dict:
    return json.loads(re.search(r"^const STUDY = (.*);$", page, re.MULTILINE)[1])


def test_the_page_needs_nothing_from_elsewhere_and_does_not_name_systems_or_clips(videos, tmp_path):
    key = plan(videos)
    write_study(tmp_path / "study", key, videos, inputs=[])
    page = (tmp_path / "study" / "page" / "index.html").read_text()
    assert not re.findall(r"https?:|//cdn|<link|src=\"|@import", page)
    assert page.count("</script>") == 1
    assert not [name for name in ("ours", "DiffSpeaker", "anna") if f'"{name}' in page]
    study = study_in(page)
    assert [criterion["name"] for criterion in study["criteria"]] == [c.name for c in CRITERIA]
    assert len(study["scale"]) == 5 and len(study["trials"]) == 6 == study["per_participant"]
    for name, item in read_key(tmp_path / "study").items.items():
        copy = tmp_path / "study" / "page" / study["media"][name]
        assert copy.read_bytes() == videos[item.system][item.clip].read_bytes()
    assert read_key(tmp_path / "study") == key


def test_pairs_show_the_first_system_beside_each_other_one_in_the_same_clip(videos):
    key = plan(videos, pairs=True)
    shown = [[key.items[name] for name in trial] for trial in key.trials]
    assert [(a.system, a.clip == b.clip) for a, b in shown] == [("ours", True)] * 4
    assert sorted({b.system for _, b in shown}) == ["DiffSpeaker", "truth"]
    assert plan(videos).study != key.study == plan(videos, pairs=True).study


def test_every_participant_gets_an_order_of_their_own_which_stays(videos, tmp_path):
    if (node := shutil.which("node")) is None:
        pytest.skip("no node, which runs the script of the page")
    page = page_of(plan(videos, pairs=True, per_participant=3))
    script = page[page.index("<script>") + 8 : page.index("</script>")]
    script = script[: script.index("// What a browser keeps")].replace(
        "const at = id => document.getElementById(id);", ""
    )
    names = json.dumps([f"p{n}" for n in range(200)])
    program = f"{script}\nconsole.log(JSON.stringify([{names}, ['p0']].map(l => l.map(planOf))));"
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    plans, again = json.loads(done.stdout)
    assert plans[0] == again[0]
    orders = [[tuple(trial["items"]) for trial in each] for each in plans]
    trials = {tuple(trial) for trial in study_in(page)["trials"]}
    for order in orders:
        assert len({tuple(sorted(items)) for items in order}) == 3
        assert {tuple(sorted(items)) for items in order} <= trials
    # Each trial is the first one of about a quarter of the 200, each side of about half.
    firsts = [tuple(sorted(order[0])) for order in orders]
    assert all(30 < firsts.count(trial) < 70 for trial in trials)
    assert 70 < sum(order[0] == tuple(sorted(order[0])) for order in orders) < 130


def test_the_papers_table_is_found_by_any_spelling():
    assert of_paper("ksdiff") == ("KSDiff", (4.22, 4.48, 4.60, 4.45))
    assert of_paper("truth") is None
    assert {len(scores) for scores in PAPER_TABLE_2.values()} == {len(CRITERIA)}
