"""The endings of the files that `export` and `animate --formats` write, by the name of the format.

This module imports nothing, so that the command line can name the formats at once. The functions
that write them are in `writers`.
"""

# Only from motions of the flame space.
FLAME_ARCHIVES = ("deca", "diffposetalk", "emote", "vhap", "smplx", "artalk")
ENDINGS = {
    "livelink": ".csv",  # Faceit finds the sound by this stem
    "arkit": ".arkit.json",
    "a2f": ".a2f.csv",
    "a2f-json": ".a2f.json",
    "glb": ".glb",
    "glb-exact": ".exact.glb",
    "visemes": ".visemes.json",
    "talkinghead": ".talkinghead.json",
    "azure": ".azure.json",
    "lam": ".lam.json",
    "rhubarb": ".rhubarb.json",
    "rhubarb-tsv": ".rhubarb.tsv",
    "rhubarb-xml": ".rhubarb.xml",
    "vrm": ".vrma",
    "obj": ".obj",  # a folder
    "usd": ".usda",
    "words": ".words.TextGrid",
    **{name: f".{name}.npz" for name in FLAME_ARCHIVES},
}
