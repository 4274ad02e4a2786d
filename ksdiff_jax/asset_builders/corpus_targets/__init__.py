"""Fits the targets of the corpus's mouths to the mouth openings of real people.

    python -m ksdiff_jax.asset_builders.corpus_targets FACES OUT.json

FACES holds videos of people (a folder each) with word times in `.align` files beside them, as the
GRID corpus has them; pocketsphinx finds the phones. People are held out in groups (the folds of
`assets/people_folds.json`; a person of none alone): the command prints the figures of each by a fit
to the others, before and after, and writes the fit to all as a table that `corpus --targets` reads.
The table of the package is one of these.
"""
