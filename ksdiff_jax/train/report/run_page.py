"""One page that summarises a run: `<workdir>/run.html`, generated from the contents of the folder
alone.

It shows how the run ended, its results, its curves, its use of time, its latest samples, its
configuration and versions. The pictures are embedded in the page, which needs no network and no
script.
"""

import base64
import html
import json
import math
from collections.abc import Sequence
from pathlib import Path

from ksdiff_jax.config import flatten, to_dict
from ksdiff_jax.files import replacing
from ksdiff_jax.models import default_config
from ksdiff_jax.ownership import mark
from ksdiff_jax.plain_text import printable
from ksdiff_jax.train.report.curves import Entry, draw_curves
from ksdiff_jax.train.report.goodput import TIME_BUCKETS, read_goodput
from ksdiff_jax.train.report.metrics_log import read_entries
from ksdiff_jax.train.report.progress import clock

FILE_NAME = "run.html"
_SAMPLES_SHOWN = 2
_COLOURS = dict(
    zip(
        TIME_BUCKETS,
        ("#3c8d5a", "#8a94a6", "#6a4c93", "#d98e04", "#1f6f8b", "#4fa3b8", "#b05f8f", "#c4483a"),
        strict=True,
    )
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2530; background: #fff;
       margin: 2.5em auto; max-width: 62em; padding: 0 1.5em; }
h1 { font-size: 1.7em; margin: 0 0 .1em; } h2 { font-size: 1.15em; margin: 2em 0 .5em; }
p.ending { color: #4a5568; margin: .2em 0 1.2em; }
svg, img { width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15em 1.6em .15em 0; border-bottom: 1px solid #e8ebf0;
         font-weight: normal; }
th { color: #4a5568; } td.number, th.number { text-align: right; }
.facts { display: flex; flex-wrap: wrap; gap: 0 2.4em; margin-bottom: 1em; }
.facts b { display: block; font-size: 1.35em; }
.bar { display: flex; height: 1.4em; border-radius: 3px; overflow: hidden; margin: .4em 0 .8em; }
.dot { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em; }
pre, summary { font-size: 13px; } pre { overflow-x: auto; background: #f6f7f9; padding: 1em; }
b.changed { color: #c4483a; font-weight: 600; }
"""


def write_run_page(workdir: Path, *, ending: str) -> Path:
    """Write the page; `ending` is the sentence that describes how the run ended or its current
    state.
    """
    entries = read_entries(workdir / "metrics.jsonl")
    config = _json(workdir / "config.json") or {}
    name = printable(str(config.get("name") or workdir.absolute().name))
    goodput = read_goodput(workdir)
    sections = [
        f"<h1>{html.escape(name)}</h1><p class=ending>{html.escape(printable(ending))}</p>",
        _facts(entries, config, goodput),
        "<h2>Curves</h2>" + _curves(entries),
        _figures(entries),
        _goodput(goodput),
        _samples(workdir / "samples"),
        _configuration(config),
        _versions(_json(workdir / "versions.json") or {}),
    ]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="generator" content="{mark("run-page")}"><title>{html.escape(name)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )
    with replacing(workdir / FILE_NAME) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return workdir / FILE_NAME


def _facts(entries: Sequence[Entry], config: dict, goodput: dict | None) -> str:
    """Return the most important figures."""
    last = next((entry for entry in reversed(entries) if entry["split"] == "train"), {})
    total = config.get("train", {}).get("steps")
    facts = {"step": f"{last.get('step', 0):,}" + (f" of {total:,}" if total else "")}
    for name, label, form in (
        ("loss", "training loss", "{:.4g}"),
        ("steps_per_s", "steps/s", "{:.3g}"),
        ("frames_per_s", "frames/s", "{:,.0f}"),
        ("tflops_per_s", "TFLOP/s", "{:.3g}"),
    ):
        if last.get(name) is not None:
            facts[label] = form.format(last[name])
    for name, label in (("mfu", "MFU"), ("data_wait", "data wait")):
        if last.get(name) is not None:
            facts[label] = f"{100 * last[name]:.1f} %"
    if goodput is not None:
        facts["goodput"] = f"{100 * goodput['goodput']:.1f} %"
    if last.get("skipped"):
        facts["skipped steps"] = f"{last['skipped']:.0f}"
    return (
        "<div class=facts>"
        + "".join(f"<div>{key}<b>{value}</b></div>" for key, value in facts.items())
        + "</div>"
    )


def _curves(entries: Sequence[Entry]) -> str:
    svg = draw_curves(entries).decode()
    return svg[svg.index("<svg") :]


def _figures(entries: Sequence[Entry]) -> str:
    """Return every figure of the first and the last validation, in one column if there was only
    one.
    """
    validations = [entry for entry in entries if entry["split"] == "val"]
    if not validations:
        return ""
    shown = [validations[0], validations[-1]][-len(validations) :]
    names = [name for name in validations[-1] if name not in ("step", "split")]
    rows = [(html.escape(name), *(_number(entry.get(name)) for entry in shown)) for name in names]
    heads = ("", *(f"step {entry['step']:,}" for entry in shown))
    return "<h2>Validation, moving average of the weights</h2>" + _table(heads, rows)


def _goodput(record: dict | None) -> str:
    if record is None:
        return ""
    wall_s = max(record["wall_s"], 1e-9)
    spent = {bucket: record["seconds"][bucket] for bucket in TIME_BUCKETS}
    bar = "".join(
        f'<div style="width:{100 * seconds / wall_s:.3f}%;background:{_COLOURS[bucket]}"></div>'
        for bucket, seconds in spent.items()
    )
    rows = [
        (
            f'<span class=dot style="background:{_COLOURS[bucket]}"></span>{bucket}',
            clock(seconds),
            f"{100 * seconds / wall_s:.1f} %",
        )
        for bucket, seconds in spent.items()
    ]
    rows.append(("<b>wall</b>", clock(wall_s), "100.0 %"))
    starts = f"{record['starts']} start" + ("s" if record["starts"] != 1 else "")
    title = f"<h2>Goodput {100 * record['goodput']:.1f} %, {starts}</h2>"
    return f"{title}<div class=bar>{bar}</div>" + _table(
        ("where the time went", "h:mm:ss", "share"), rows
    )


def _samples(folder: Path) -> str:
    """Return the plots of the latest sampled step."""
    plots = sorted(folder.glob("step-*.png"))
    latest = [plot for plot in plots if plot.name[:13] == plots[-1].name[:13]][:_SAMPLES_SHOWN]
    encoded = {plot.stem: base64.b64encode(plot.read_bytes()).decode() for plot in latest}
    images = [
        f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
        for name, data in encoded.items()
    ]
    return "<h2>Latest samples</h2>" + "".join(images) if images else ""


def _configuration(config: dict) -> str:
    """Return all fields, with those marked that are not the default."""
    defaults = flatten(
        json.loads(json.dumps(to_dict(default_config(config.get("system", "ksdiff")))))
    )
    lines = []
    for name, value in flatten(config).items():
        line = html.escape(f"{name} = {json.dumps(value)}")
        lines.append(line if defaults.get(name) == value else f"<b class=changed>{line}</b>")
    return (
        "<h2>Configuration</h2><details><summary>all fields; red ones are not the default</summary>"
        f"<pre>{chr(10).join(lines)}</pre></details>"
    )


def _versions(versions: dict) -> str:
    packages = versions.get("packages", {})
    devices = versions.get("devices", [])
    counted = ", ".join(f"{devices.count(kind)} × {kind}" for kind in dict.fromkeys(devices))
    rows = [
        ("source revision", html.escape(str(versions.get("git_revision") or "unknown"))),
        ("devices", html.escape(counted)),
        ("Python", html.escape(str(versions.get("python", "")))),
        *((html.escape(name), html.escape(str(version))) for name, version in packages.items()),
    ]
    return "<h2>Made with</h2>" + _table(None, rows)


def _table(heads: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        kinds = [
            "" if column == 0 or heads is None else " class=number" for column in range(len(cells))
        ]
        return (
            "<tr>"
            + "".join(
                f"<{tag}{kind}>{cell}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)
            )
            + "</tr>"
        )

    head = "" if heads is None else line(heads, "th")
    return "<table>" + head + "".join(line(row, "td") for row in rows) + "</table>"


def _number(value: float | None) -> str:
    return (
        ""
        if value is None
        else f"{value:.4g}"
        if isinstance(value, float) and math.isfinite(value)
        else str(value)
    )


def _json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
