"""The frames stage of FD2Talk (§3.3, §3.4.2): layout and unet (Eq. 6-7) with its transformer,
network, training (Eq. 3), sampling (Eq. 5), first_stage (the fixed autoencoder) and system; config
contains all fields.
"""
