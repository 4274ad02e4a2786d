"""From raw videos, or the coefficients of another tool, to clips: what `ksdiff-jax prepare` does.

layouts.py   what there is to do: a `Source` per video or coefficient file
work.py      one pure function, Source -> Outcome (clips and rejections)
track.py     a video whose face is tracked here; ../importing/ reads what other tools have tracked
ledger.py    finished sources are kept, so that a second run goes on where the first one stopped
run.py       many sources: local processes or Apache Beam, then shards, splits and report.json
"""
