"""The ablations of the paper's Tables 2 and 3 that concern the motion stage, each as a change of a
configuration, and the paper's results.

| row | change |
|---|---|
| single DiT | one transformer of expression and pose (Table 2) |
| w/o alignment | cross-attention without the mask of Eq. 4 (Table 3) |
| w/o L_sync | no lip expert, Eq. 11 (Table 3) |

The other row of Table 2, the concatenated conditions of the UNet, concerns the frames.
"""

from types import MappingProxyType

FULL = "full model"
ABLATIONS = MappingProxyType(
    {
        FULL: {},
        "single DiT": {"model.decoupled": False},
        "w/o alignment": {"model.alignment": False},
        "w/o L_sync": {"loss.sync": 0.0},
    }
)

# Tables 2 and 3, after the frames have been painted, with another face tracker and lip-sync network
# than ours. Compare the directions of the differences only, not the values.
PAPER_TABLES_2_AND_3 = MappingProxyType(
    {
        FULL: {"LSE-C": 7.31, "SyncNet": 6.26, "Diversity": 0.322, "Beat Align": 0.331},
        "single DiT": {"LSE-C": 3.11, "SyncNet": 3.08, "Diversity": 0.193, "Beat Align": 0.189},
        "w/o alignment": {"LSE-C": 4.66, "SyncNet": 3.97},
        "w/o L_sync": {"LSE-C": 5.35, "SyncNet": 4.63},
    }
)
