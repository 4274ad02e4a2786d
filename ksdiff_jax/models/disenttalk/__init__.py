"""DisentTalk (Liu et al. 2025): regions of the face (Eq. 1-2), region_attention (Eq. 4),
temporal_convolutions (Eq. 5), local_block (Eq. 6-7). denoiser, network and system combine them;
config contains all their fields, and ablations lists the rows of Table IV.
"""
