"""The endings of the files that `export` and `animate --formats` write, by the name of the format.

This module imports nothing, so that the command line can name the formats at once. The functions
that write them are in `writers`.
"""

ENDINGS = {
    "livelink": ".csv",  # Faceit finds the sound by this stem
    "arkit": ".arkit.json",
    "a2f": ".a2f.csv",
    "a2f-json": ".a2f.json",
    "glb": ".glb",
    "glb-exact": ".exact.glb",
}
