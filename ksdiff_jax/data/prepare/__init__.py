"""Converts raw videos, or the coefficients of another tool, to clips: the implementation of
`ksdiff-jax prepare`.

layouts.py   finds the sources: a `Source` per video or coefficient file
work.py      one pure function, Source -> Outcome (clips and rejections)
track.py     a video whose face is tracked here; ../importing/ reads coefficients of other tools
ledger.py    stores finished sources, so that a second run resumes where the first one stopped
run.py       many sources: local processes or Apache Beam, then shards, splits and report.json
"""
