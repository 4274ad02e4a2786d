"""The numbers of a motion that move the lips, the eyes, and the rest of the face (DisentTalk,
§III-A).

A region is determined from pairs: a motion, and the same motion with that region of the face at
rest or closed. The region consists of the numbers with the largest difference relative to their
standard deviation.

| file | content |
|---|---|
| `select` | ratios of Eq. 1, and the choice of dimensions |
| `tally` | statistics of each pair, clip by clip |
| `changes` | Δ of a clip by region, from whichever pairs exist |
| `neutral_corpus` | pairs of the built-in corpus: lip or lid actions exactly at rest |
| `neutral_tracked` | pairs of tracked clips: lips or lids closed in the landmarks, fitted again |
| `neutral_given` | pairs provided by the user: two data sets with the same clips |
| `agreement` | whether two halves of the clips result in the same choice |
| `extremes` | the frame in which each region moves the face most, for the picture |
"""
