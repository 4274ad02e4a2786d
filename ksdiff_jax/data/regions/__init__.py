"""Which numbers of a motion move the lips, which the eyes, and which the rest of the face
(DisentTalk, §III-A).

A region is found from pairs: a motion, and the same motion with that region of the face at rest or
closed. The numbers that differ most, against how much they vary at all, are the region's.

| file | does |
|---|---|
| `select` | ratios of Eq. 1, and the choice of dimensions |
| `tally` | what is counted of each pair, clip by clip |
| `changes` | Δ of a clip by region, from whichever pairs there are |
| `neutral_corpus` | pairs of the built-in corpus: lip or lid actions at rest, exactly |
| `neutral_tracked` | pairs of tracked clips: lips or lids closed in the landmarks, fitted again |
| `neutral_given` | pairs that a user brings: two data sets with the same clips |
| `agreement` | whether two halves of the clips choose the same |
| `extremes` | the frame in which each region moves the face most, for the picture |
"""
