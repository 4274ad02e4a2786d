"""The ablations of the paper's Table IV that are options of the model, each as a change of a
configuration, and the paper's results.

| row | change |
|---|---|
| w/o TEMPORAL | no multi-scale temporal convolutions (Eq. 5) |
| w/o DISENTANGLE | one region of all numbers (Eq. 1-2) |
| w/o HIERARCHICAL | the regions are fused without region attention (Eq. 4) |
| w/o LOCAL | cross-attention without the parallel local convolution (Eq. 6) |
| w/o SYNCLOSS | no lip-sync loss (Eq. 10) |

The sixth row of the table, w/o CHDTF, concerns the data and is not an option of the model.
"""

from types import MappingProxyType

FULL = "full model"
ABLATIONS = MappingProxyType(
    {
        FULL: {},
        "w/o TEMPORAL": {"model.temporal_convolutions": False},
        "w/o DISENTANGLE": {"model.regions.disentangle": False},
        "w/o HIERARCHICAL": {"model.region_attention": False},
        "w/o LOCAL": {"model.local_convolution": False},
        "w/o SYNCLOSS": {"loss.sync": 0.0},
    }
)

# Table IV, on CHDTF with another face tracker and renderer than ours. Compare the directions of
# the differences only, not the values.
PAPER_TABLE_4 = MappingProxyType(
    {
        FULL: {"LSE-C": 6.419, "LMD": 2.139, "Blink": 0.249},
        "w/o TEMPORAL": {"LSE-C": 5.730, "LMD": 2.216, "Blink": 0.055},
        "w/o DISENTANGLE": {"LSE-C": 5.993, "LMD": 2.243, "Blink": 0.000},
        "w/o HIERARCHICAL": {"LSE-C": 5.955, "LMD": 2.193, "Blink": 0.006},
        "w/o LOCAL": {"LSE-C": 5.846, "LMD": 2.276, "Blink": 0.053},
        "w/o SYNCLOSS": {"LSE-C": 4.470, "LMD": 2.380, "Blink": 0.195},
    }
)
